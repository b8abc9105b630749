from evoalign import tables
from evoalign.events.log import read_log
from evoalign.events.tables import LOG
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    log = read_log(snakemake.input.log, config.events, session_of(snakemake).spaces)
    tables.write(log, LOG, snakemake.output.log, facts)
