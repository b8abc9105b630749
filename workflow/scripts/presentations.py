from evoalign import tables
from evoalign.events.align_session import align_session
from evoalign.formats.opening import open_recording
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job
from evoalign.sheet import with_local_stimuli

with job(snakemake) as (config, facts):
    alignment = align_session(
        tables.read(snakemake.input.log, tables.LOG),
        tables.read(snakemake.input.words, tables.WORDS),
        recording=open_recording(snakemake.input.raw, config.recordings.gap_tolerance_ms),
        session=with_local_stimuli(session_of(snakemake), snakemake.input.stimuli),
        settings=config.events,
    )
    tables.write(alignment.presentations, tables.PRESENTATIONS, snakemake.output.presentations, facts)
    tables.write(alignment.report, tables.ALIGNMENT, snakemake.output.alignment, facts)
