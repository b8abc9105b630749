from evoalign import tables
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job
from evoalign.recordings.tables import CHANNELS, ONLINE_SPIKES, SEGMENTS
from evoalign.sorting.result import SortingResult
from evoalign.sorting.session import curate_session

with job(snakemake) as (config, facts):
    by_hand = curate_session(
        SortingResult.read(snakemake.input),
        channels=tables.read(snakemake.input.channels, CHANNELS),
        segments=tables.read(snakemake.input.segments, SEGMENTS),
        online_spikes=tables.read(snakemake.input.online_spikes, ONLINE_SPIKES),
        session=session_of(snakemake),
        settings=config.sorting,
    )
    by_hand.write(dict(snakemake.output.items()), facts)
