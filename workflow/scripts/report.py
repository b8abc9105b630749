import json
from pathlib import Path

from evoalign.figures.report import read_panels, session_panels, write_report
from evoalign.figures.report_findings import summary
from evoalign.figures.report_glance import session_rows
from evoalign.figures.report_inputs import analysed, optimisers_of, read_pooled, standings, why_nothing_pooled
from evoalign.figures.report_methods import methods
from evoalign.figures.report_page import page_contents
from evoalign.figures.report_settings import every_setting
from evoalign.figures.report_tables import notes, sections
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    files, study = snakemake.input, json.loads(snakemake.params.sessions)
    packaged, failed = study["packaged"], study["failed"]
    pooled = read_pooled(files)
    tables = sections(files, study["recorded"], packaged)
    formats = [frame for table in tables if table.title == "Recordings" for frame in table.frame["format"]]
    rows = session_rows(
        study["rows"],
        tables,
        pooled.get("experiments"),
        notes(files, packaged),
        standings(files, packaged),
        failed,
    )
    population = [panel for folder in files.population for panel in read_panels(folder, with_values=True)]
    write_report(
        snakemake.output.html,
        files.template,
        **page_contents(
            title=config.study,
            lead=f"{len(rows)} sessions, {len(population)} pooled figures.",
            population=population,
            sessions=rows,
            figures=session_panels(dict(zip(packaged, files.figures, strict=True)), population),
            findings=summary(pooled, config.analysis, failed) if pooled else [],
            why_nothing=why_nothing_pooled(pooled, failed),
            tables=tables,
            methods=methods(
                config, facts, formats, *analysed(pooled, tables, population), optimisers_of(pooled)
            ),
            settings=list(every_setting(config)),
            provenance=facts,
            results=Path(config.results).name,
        ),
    )
