from evoalign import tables
from evoalign.formats.opening import open_recording
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job
from evoalign.recordings.tables import CHANNELS, ONLINE_SPIKES
from evoalign.sorting.session import sort_recording

with job(snakemake) as (config, facts):
    sorted_units = sort_recording(
        open_recording(snakemake.input.raw, config.recordings.gap_tolerance_ms),
        channels=tables.read(snakemake.input.channels, CHANNELS),
        online_spikes=tables.read(snakemake.input.online_spikes, ONLINE_SPIKES),
        session=session_of(snakemake),
        settings=config.sorting,
        seed=config.seed,
        n_jobs=snakemake.threads,
    )
    sorted_units.write(dict(snakemake.output.items()), facts)
