from pathlib import Path

from evoalign.pipeline.job import job
from evoalign.simulate.demo import session_seed, simulate_session

with job(snakemake) as (config, _):
    area, vendor = snakemake.wildcards.area, snakemake.params.vendor
    simulate_session(
        Path(snakemake.output.log).parent,
        area=area,
        vendor=vendor,
        settings=config.demo,
        seed=session_seed(area, vendor, config.demo),
    )
