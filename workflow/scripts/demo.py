from pathlib import Path

from evoalign.simulate.demo import simulate_session

from evoalign.job import job

with job(snakemake) as config:
    simulate_session(
        Path(snakemake.output.log).parent,
        area=snakemake.wildcards.area,
        vendor=snakemake.params.vendor,
        settings=config.demo,
        seed=config.demo.seed,
    )
