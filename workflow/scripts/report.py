import json
from pathlib import Path

from evoalign.figures.report import read_panels, session_panels, write_report
from evoalign.figures.report_tables import notes, sections
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    given, study = snakemake.input, json.loads(snakemake.params.sessions)
    packaged = study["packaged"]
    note = notes(given, packaged)
    panels = session_panels(dict(zip(packaged, given.figures, strict=True)), snakemake.output.html)
    write_report(
        snakemake.output.html,
        given.template,
        title=config.study,
        population=[panel for folder in given.population for panel in read_panels(folder)],
        sessions={name: (note[name], found) for name, found in panels.items()},
        tables=sections(given, study["recorded"], packaged),
        provenance=facts,
        results=Path(config.results).name,
    )
