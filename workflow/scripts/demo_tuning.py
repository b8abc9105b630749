from evoalign.pipeline.job import job
from evoalign.simulate.tuning import demo_tuning, write_tuning_session

with job(snakemake) as (config, _):
    design = demo_tuning(config.demo)
    write_tuning_session(snakemake.output.nwb, snakemake.output.truth, design, config, config.responses)
