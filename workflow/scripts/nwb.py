from evoalign.nwb import write_nwb
from evoalign.nwb.assemble import assemble
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job
from evoalign.study import with_local_stimuli

with job(snakemake) as (config, facts):
    session = with_local_stimuli(session_of(snakemake), snakemake.input.stimuli)
    contents = assemble(session, dict(snakemake.input.items()), config, facts)
    write_nwb(snakemake.output.nwb, contents, config)
