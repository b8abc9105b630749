from evoalign import tables
from evoalign.analysis.encoding import encode_session, load_frames
from evoalign.files import pieces
from evoalign.pipeline.job import job
from evoalign.responses.store import read_responses

with job(snakemake) as (config, facts), pieces(snakemake.output.tables, snakemake.params.code) as folder:
    responses = read_responses(snakemake.input.responses)
    frames = load_frames(responses, config, snakemake.input.frames)
    found = encode_session(responses, config, frames, checkpoint=folder)
    tables.write_all(found, snakemake.output.tables, facts)
