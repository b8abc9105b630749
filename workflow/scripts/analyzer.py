from evoalign import tables
from evoalign.formats.opening import open_recording
from evoalign.pipeline.job import job
from evoalign.sorting.export import TABLES, write_analyzer

with job(snakemake) as (config, _):
    write_analyzer(
        open_recording(snakemake.input.raw, config.recordings.gap_tolerance_ms),
        {name: tables.read(snakemake.input[name], contract) for name, contract in TABLES.items()},
        settings=config.sorting,
        seed=config.seed,
        folder=snakemake.output.analyzer,
    )
