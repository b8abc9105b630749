import json
from pathlib import Path

from evoalign import tables
from evoalign.analysis.pooling.similarity import compare_prototypes
from evoalign.analysis.session.prototypes import write_pictures
from evoalign.analysis.session.results import read_results
from evoalign.nwb.read import read_nwb
from evoalign.pipeline.declared import part
from evoalign.pipeline.job import job
from evoalign.sheet import Session

with job(snakemake) as (config, facts):
    given = snakemake.input
    sessions = [
        read_results(own, encoded) for own, encoded in zip(given.sessions, given.encoding, strict=True)
    ]
    rows = {name: part(Session, row) for name, row in json.loads(snakemake.params.sessions).items()}
    files = dict(zip(rows, given.nwb, strict=True))
    found, pictures = compare_prototypes(
        sessions, lambda session: read_nwb(files[session], config.nwb, rows[session]), config
    )
    # A session is the same from whatever file it was read: its path and kind do not count.
    read = {f"input:{name}" for file in given.nwb for name in (file, Path(file).name)}
    facts = {key: value for key, value in facts.items() if key not in read}
    write_pictures(pictures, snakemake.output.pictures)
    tables.write_all(found, snakemake.output.tables, facts)
