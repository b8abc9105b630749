from evoalign import tables
from evoalign.figures import draw_population, save_all
from evoalign.job import job

with job(snakemake) as (config, _):
    given = snakemake.input
    pooled = {
        name: frame
        for folder in (given.trajectories, given.encoding, given.tuning)
        for name, frame in tables.read_all(folder).items()
    }
    save_all(draw_population(pooled), snakemake.output.figures, snakemake.input.style, config.figures.dpi)
