from evoalign.depends import only
from evoalign.job import job
from evoalign.nwb import write_nwb
from evoalign.nwb.assemble import assemble
from evoalign.study import Session

with job(snakemake) as (config, facts):
    contents = assemble(only(Session, snakemake.params.row), dict(snakemake.input.items()), config, facts)
    write_nwb(snakemake.output.nwb, contents, config)
