from evoalign.depends import only
from evoalign.job import job
from evoalign.nwb import write_nwb
from evoalign.nwb.assemble import assemble
from evoalign.study import Session, with_local_stimuli

with job(snakemake) as (config, facts):
    session = with_local_stimuli(only(Session, snakemake.params.row), snakemake.input.stimuli)
    contents = assemble(session, dict(snakemake.input.items()), config, facts)
    write_nwb(snakemake.output.nwb, contents, config)
