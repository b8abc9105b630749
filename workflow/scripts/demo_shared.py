from pathlib import Path

from evoalign.pipeline.job import job
from evoalign.simulate.shared import shared_sessions, write_shared_session

with job(snakemake) as (config, _):
    sessions = {session.session: session for session in shared_sessions(config.demo)}
    for file in snakemake.output.nwb:
        session = sessions[Path(file).stem]
        write_shared_session(file, session, config.demo, config, config.analysis.baseline_ms)
