from evoalign import tables
from evoalign.depends import only
from evoalign.events import read_log
from evoalign.job import job
from evoalign.study import Session

with job(snakemake) as (config, facts):
    log = read_log(snakemake.input.log, config.events, only(Session, snakemake.params.row).spaces)
    tables.write(log, tables.LOG, snakemake.output.log, facts)
