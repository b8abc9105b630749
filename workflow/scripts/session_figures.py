from evoalign.analysis.session.results import read_results
from evoalign.figures.captions import FigureSettings
from evoalign.figures.session_pages import draw_session
from evoalign.figures.sets import save_all
from evoalign.nwb.read import read_nwb
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job

with job(snakemake) as (config, _):
    row = session_of(snakemake)
    results = read_results(*snakemake.input.tables)
    settings = FigureSettings(config.analysis, config.encoding, config.tuning)
    contents = read_nwb(snakemake.input.nwb, config.nwb, row)
    drawn = draw_session(contents, results, settings, config.sorting, config.figures)
    save_all(drawn, snakemake.output.figures, snakemake.input.style, config.figures.dpi)
