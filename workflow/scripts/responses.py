from evoalign.depends import only
from evoalign.job import job
from evoalign.nwb import read_nwb
from evoalign.responses import responses_from, write_responses
from evoalign.study import Session

with job(snakemake) as (config, _):
    row = only(Session, snakemake.params.row)
    responses = responses_from(read_nwb(snakemake.input.nwb, config.nwb, row), config.responses)
    write_responses(responses, snakemake.output.responses)
