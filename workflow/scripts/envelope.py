from evoalign import tables
from evoalign.formats.opening import open_recording
from evoalign.pipeline.job import job
from evoalign.recordings.tables import CHANNELS
from evoalign.sorting.envelope import write_envelope
from evoalign.sorting.tables import ARTEFACTS, BAD_CHANNELS

with job(snakemake) as (config, _):
    write_envelope(
        open_recording(snakemake.input.raw, config.recordings.gap_tolerance_ms),
        channels=tables.read(snakemake.input.channels, CHANNELS),
        bad_channels=tables.read(snakemake.input.bad_channels, BAD_CHANNELS),
        artefacts=tables.read(snakemake.input.artefacts, ARTEFACTS),
        settings=config.sorting,
        folder=snakemake.output.envelope,
        n_jobs=snakemake.threads,
    )
