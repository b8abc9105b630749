from evoalign import tables
from evoalign.analysis.pooling.encoding import pool_encoding
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    pooled = pool_encoding([tables.read_all(folder) for folder in snakemake.input.sessions], config)
    tables.write_all(pooled, snakemake.output.tables, facts)
