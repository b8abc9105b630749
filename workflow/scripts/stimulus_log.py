from evoalign import tables
from evoalign.events.log import read_log
from evoalign.events.tables import LOG
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    row = session_of(snakemake)
    log = read_log(snakemake.input.log, config.events, row.spaces, alone=not row.raw)
    tables.write(log, LOG, snakemake.output.log, facts)
