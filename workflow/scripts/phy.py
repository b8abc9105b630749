from evoalign.pipeline.job import job
from evoalign.sorting.export import write_phy

with job(snakemake):
    write_phy(snakemake.input.analyzer, snakemake.output.phy)
