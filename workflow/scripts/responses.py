from evoalign.responses import responses_from, write_responses

from evoalign.job import job
from evoalign.nwb import read_nwb

with job(snakemake) as (config, _):
    responses = responses_from(read_nwb(snakemake.input.nwb), config.responses)
    write_responses(responses, snakemake.output.responses)
