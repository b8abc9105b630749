from evoalign import tables
from evoalign.analysis.encoding import encode_session
from evoalign.job import job
from evoalign.responses import read_responses

with job(snakemake) as (config, facts):
    found = encode_session(read_responses(snakemake.input.responses), config)
    tables.write_all(found, snakemake.output.tables, facts)
