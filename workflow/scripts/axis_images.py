from evoalign.evolution.axis_images import sample_session, write_axis_images
from evoalign.nwb.read import read_nwb
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job
from evoalign.spaces.metrics import image_metric
from evoalign.spaces.registry import session_space

with job(snakemake) as (config, facts):
    contents = read_nwb(snakemake.input.nwb, config.nwb, session_of(snakemake))
    space = session_space(snakemake.params.space, contents, config.spaces)
    metric, words = image_metric(config.hessian.metric, config.prototypes)
    found = sample_session(contents, space, snakemake.input.frame, config.hessian, metric)
    facts |= space.describe() | {"metric": words}
    write_axis_images(snakemake.output.images, found, space, facts)
