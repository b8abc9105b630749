from evoalign import tables
from evoalign.insilico.study import analyse_sessions
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    tables.write_all(analyse_sessions(snakemake.input.sessions, config), snakemake.output.tables, facts)
