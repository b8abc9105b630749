from evoalign import tables
from evoalign.figures import POPULATION_FIGURES, draw_all, save_all
from evoalign.job import job

with job(snakemake) as (config, _):
    pooled = tables.read_all(snakemake.input.trajectories) | tables.read_all(snakemake.input.encoding)
    drawn = draw_all(pooled, POPULATION_FIGURES)
    save_all(drawn, snakemake.output.figures, snakemake.input.style, config.figures.dpi)
