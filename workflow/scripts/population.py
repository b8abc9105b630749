from evoalign import tables
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.session.results import read_results
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    pooled = pool_sessions((read_results(folder) for folder in snakemake.input.sessions), config)
    tables.write_all(pooled, snakemake.output.tables, facts)
