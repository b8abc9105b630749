from evoalign import tables
from evoalign.declared import session_of
from evoalign.figures import draw_session, save_all
from evoalign.job import job
from evoalign.nwb import read_nwb

with job(snakemake) as (config, _):
    row = session_of(snakemake)
    found = {
        name: frame for folder in snakemake.input.tables for name, frame in tables.read_all(folder).items()
    }
    drawn = draw_session(read_nwb(snakemake.input.nwb, config.nwb, row), found, config.sorting)
    save_all(drawn, snakemake.output.figures, snakemake.input.style, config.figures.dpi)
