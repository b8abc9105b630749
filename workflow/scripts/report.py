from evoalign.figures.report import read_panels, write_report
from evoalign.figures.report_tables import notes, sections
from evoalign.job import job

with job(snakemake) as (config, facts):
    given, packaged = snakemake.input, snakemake.params.packaged
    note = notes(given, packaged)
    write_report(
        snakemake.output.html,
        given.template,
        title=config.study,
        population=[panel for folder in given.population for panel in read_panels(folder)],
        sessions={
            name: (note[name], read_panels(folder))
            for name, folder in zip(packaged, given.figures, strict=True)
        },
        tables=sections(given, snakemake.params.recorded, packaged),
        provenance=facts,
        results=config.results,
    )
