from evoalign.pipeline.job import job
from evoalign.simulate.tuning import demo_tuning, write_tuning_session

with job(snakemake) as (config, _):
    write_tuning_session(snakemake.output.nwb, snakemake.output.truth, demo_tuning(config.demo), config)
