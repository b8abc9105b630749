from pathlib import Path

from evoalign.job import job
from evoalign.simulate.demo import simulate_session

with job(snakemake) as (config, _):
    simulate_session(
        Path(snakemake.output.log).parent,
        area=snakemake.wildcards.area,
        vendor=snakemake.params.vendor,
        settings=config.demo,
        seed=config.demo.seed,
    )
