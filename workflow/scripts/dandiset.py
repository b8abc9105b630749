from evoalign.nwb.dandi import write_dandiset
from evoalign.pipeline.job import job

with job(snakemake) as (config, _):
    write_dandiset(snakemake.input.nwb, snakemake.output.dandiset, config)
