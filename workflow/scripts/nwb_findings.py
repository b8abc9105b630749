from evoalign import tables
from evoalign.nwb.tables import FINDINGS
from evoalign.nwb.validate import validate
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    tables.write(validate(snakemake.input.nwb, config), FINDINGS, snakemake.output.findings)
