import hashlib

from evoalign.analysis.session.analyse import resolve_device
from evoalign.files import pieces
from evoalign.insilico.study import write_sessions
from evoalign.pipeline.job import job

# Finished sessions of other settings, or of other code, are not taken.
version = hashlib.sha256(f"{snakemake.params.code} {snakemake.params.settings}".encode()).hexdigest()[:16]
with job(snakemake) as (config, _), pieces(snakemake.output.sessions, version) as kept:
    device = resolve_device(config.device)
    write_sessions(snakemake.output.sessions, snakemake.wildcards.network, config, kept, device)
