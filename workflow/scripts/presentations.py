from evoalign import tables
from evoalign.events.align_session import align_session
from evoalign.events.tables import ALIGNMENT, LOG, PRESENTATIONS
from evoalign.formats.opening import open_recording
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job
from evoalign.recordings.tables import WORDS
from evoalign.sheet import with_local_stimuli

with job(snakemake) as (config, facts):
    alignment = align_session(
        tables.read(snakemake.input.log, LOG),
        tables.read(snakemake.input.words, WORDS),
        recording=open_recording(snakemake.input.raw, config.recordings.gap_tolerance_ms),
        session=with_local_stimuli(session_of(snakemake), snakemake.input.stimuli),
        settings=config.events,
    )
    tables.write(alignment.presentations, PRESENTATIONS, snakemake.output.presentations, facts)
    tables.write(alignment.report, ALIGNMENT, snakemake.output.alignment, facts)
