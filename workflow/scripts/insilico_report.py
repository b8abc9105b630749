from pathlib import Path

from evoalign import tables
from evoalign.figures.captions import FigureSettings
from evoalign.figures.insilico import draw_insilico
from evoalign.figures.report import read_panels, write_report
from evoalign.figures.report_page import page_contents
from evoalign.figures.sets import save_all
from evoalign.insilico.tables import INSILICO_WARPED_MEANS
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    given = snakemake.input
    networks = {
        Path(sessions).parent.name: tables.read_all(sessions) | tables.read_all(linear)
        for sessions, linear in zip(given.sessions, given.linearity, strict=True)
    }
    settings = FigureSettings(config.analysis, config.encoding, config.tuning, config.prototypes)
    warped = tables.read(given.warped, INSILICO_WARPED_MEANS)
    drawn = draw_insilico(networks, warped, settings)
    save_all(drawn, snakemake.output.figures, given.style, config.figures.dpi)
    write_report(
        snakemake.output.html,
        given.template,
        **page_contents(
            title="In silico: evolutions driven by units of an image network",
            lead="Sessions of a network's units, analysed as recorded ones; layers stand in place of areas.",
            population=read_panels(snakemake.output.figures),
            provenance=facts,
            results=config.results,
        ),
    )
