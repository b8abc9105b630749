from evoalign import tables
from evoalign.job import job
from evoalign.nwb.validate import validate

with job(snakemake) as (config, facts):
    tables.write(validate(snakemake.input.nwb, config), tables.FINDINGS, snakemake.output.findings)
