from evoalign import tables
from evoalign.figures.captions import FigureSettings
from evoalign.figures.session_pages import draw_session
from evoalign.figures.sets import save_all
from evoalign.nwb.read import read_nwb
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job

with job(snakemake) as (config, _):
    row = session_of(snakemake)
    found = {
        name: frame for folder in snakemake.input.tables for name, frame in tables.read_all(folder).items()
    }
    settings = FigureSettings(config.analysis, config.encoding, config.tuning)
    contents = read_nwb(snakemake.input.nwb, config.nwb, row)
    drawn = draw_session(contents, found, settings, config.sorting, config.figures)
    save_all(drawn, snakemake.output.figures, snakemake.input.style, config.figures.dpi)
