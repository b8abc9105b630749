from evoalign.nwb.read import read_nwb
from evoalign.pipeline.declared import session_of
from evoalign.pipeline.job import job
from evoalign.responses.session_responses import responses_from
from evoalign.responses.store import write_responses

with job(snakemake) as (config, _):
    row = session_of(snakemake)
    responses = responses_from(read_nwb(snakemake.input.nwb, config.nwb, row), config.responses)
    write_responses(responses, snakemake.output.responses)
