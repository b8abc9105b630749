from evoalign import tables
from evoalign.depends import only
from evoalign.job import job
from evoalign.recordings import open_recording
from evoalign.sorting import sort_recording
from evoalign.study import Session

with job(snakemake) as (config, facts):
    sorted_units = sort_recording(
        open_recording(snakemake.input.raw, config.recordings.gap_tolerance_ms),
        channels=tables.read(snakemake.input.channels, tables.CHANNELS),
        online_spikes=tables.read(snakemake.input.online_spikes, tables.ONLINE_SPIKES),
        session=only(Session, snakemake.params.row),
        settings=config.sorting,
        seed=config.seed,
    )
    sorted_units.write(dict(snakemake.output.items()), facts)
