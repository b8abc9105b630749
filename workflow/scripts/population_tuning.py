import json

from evoalign import tables
from evoalign.analysis.pooling.tuning import pool_tuning
from evoalign.analysis.session.results import read_results
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    sessions = [read_results(folder) for folder in snakemake.input.sessions]
    pooled = pool_tuning(sessions, json.loads(snakemake.params.follows), config)
    tables.write_all(pooled, snakemake.output.tables, facts)
