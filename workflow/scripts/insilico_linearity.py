from pathlib import Path

from evoalign import tables
from evoalign.device import resolve_device
from evoalign.insilico.study import linear_tables
from evoalign.pipeline.job import job

with job(snakemake) as (config, facts):
    frames = {Path(file).stem: file for file in snakemake.input.frames}
    found = linear_tables(snakemake.wildcards.network, frames, config, resolve_device(config.device))
    tables.write_all(found, snakemake.output.tables, facts)
