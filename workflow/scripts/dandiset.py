from evoalign.job import job
from evoalign.nwb.dandi import write_dandiset

with job(snakemake) as (config, _):
    write_dandiset(snakemake.input.nwb, snakemake.output.dandiset, config)
