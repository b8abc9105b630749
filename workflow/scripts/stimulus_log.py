from evoalign import tables
from evoalign.events import read_log
from evoalign.job import job

with job(snakemake) as (config, facts):
    log = read_log(snakemake.input.log, config.events, tuple(snakemake.params.spaces))
    tables.write(log, tables.LOG, snakemake.output.log, facts)
