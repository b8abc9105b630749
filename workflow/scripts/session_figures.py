from evoalign import tables
from evoalign.depends import only
from evoalign.figures import draw_session, save_all
from evoalign.job import job
from evoalign.nwb import read_nwb
from evoalign.study import Session

with job(snakemake) as (config, _):
    row = only(Session, snakemake.params.row)
    found = {
        name: frame for folder in snakemake.input.tables for name, frame in tables.read_all(folder).items()
    }
    drawn = draw_session(read_nwb(snakemake.input.nwb, config.nwb, row), found, config.sorting)
    save_all(drawn, snakemake.output.figures, snakemake.input.style, config.figures.dpi)
