from evoalign.nwb.assemble import assemble
from evoalign.nwb.write import write_nwb
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job
from evoalign.sheet import with_local_stimuli

with job(snakemake) as (config, facts):
    session = with_local_stimuli(session_of(snakemake), snakemake.input.stimuli)
    contents = assemble(
        session,
        dict(snakemake.input.items()),
        config,
        facts,
        config.analysis.baseline_ms,
        config.spaces.weights_of,
    )
    write_nwb(snakemake.output.nwb, contents, config, snakemake.threads)
