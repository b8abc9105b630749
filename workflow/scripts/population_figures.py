from evoalign import tables
from evoalign.figures.captions import FigureSettings
from evoalign.figures.prototypes import read_pictures
from evoalign.figures.sets import draw_population, save_all
from evoalign.pipeline.job import job

with job(snakemake) as (config, _):
    given = snakemake.input
    pooled = {
        name: frame
        for folder in (given.trajectories, given.encoding, given.tuning, given.prototypes)
        for name, frame in tables.read_all(folder).items()
    }
    pictures = read_pictures(given.pictures)
    settings = FigureSettings(config.analysis, config.encoding, config.tuning, config.prototypes)
    drawn = draw_population(pooled, pictures, settings)
    save_all(drawn, snakemake.output.figures, snakemake.input.style, config.figures.dpi)
