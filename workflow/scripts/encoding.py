from evoalign import tables
from evoalign.analysis.encoding import encode_session
from evoalign.files import pieces
from evoalign.pipeline.job import job
from evoalign.responses import read_responses

with job(snakemake) as (config, facts), pieces(snakemake.output.tables, snakemake.params.code) as folder:
    found = encode_session(read_responses(snakemake.input.responses), config, checkpoint=folder)
    tables.write_all(found, snakemake.output.tables, facts)
