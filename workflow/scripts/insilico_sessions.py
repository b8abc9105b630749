from evoalign.device import resolve_device
from evoalign.files import pieces
from evoalign.insilico.study import write_sessions
from evoalign.pipeline.job import job, version

# Finished sessions of other settings, or of other code, are not taken.
with job(snakemake) as (config, _), pieces(snakemake.output.sessions, version(snakemake)) as kept:
    device = resolve_device(config.device)
    write_sessions(snakemake.output.sessions, snakemake.wildcards.network, config, kept, device)
