"""A study of Hessian tuning sessions, each after its evolution, as NWB files whose truth is known.

``python -m evoalign.simulate.tuning_study FOLDER`` writes them and their sample sheet.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from evoalign.files import atomic_write
from evoalign.nwb.settings import Packaging
from evoalign.simulate.study import sample_sheet, write_study
from evoalign.simulate.study_design import ExperimentDesign, draw_study
from evoalign.simulate.tuning import after_evolution, write_tuning_session


def write_tuning_study(
    folder: str | PathLike[str], designs: Sequence[ExperimentDesign], config: Packaging
) -> None:
    """Write evolutions, a tuning session after each, and their sample sheet.

    Evolutions are those of `simulate.study`; tuning sessions lie beside them
    as ``nwb/{session}_tuning.nwb``, what was planted in ``truth``. A file that
    is there already is kept.

    Parameters
    ----------
    folder : path
    designs : sequence of ExperimentDesign
    config : Packaging
    """
    folder = Path(folder)
    write_study(folder, designs, config)
    rows = sample_sheet(designs, folder / "nwb").assign(follows="")
    for design in designs:
        tuning = after_evolution(design)
        path = folder / "nwb" / f"{tuning.session}.nwb"
        if not path.exists():
            write_tuning_session(path, folder / "truth" / f"{tuning.session}.tsv", tuning, config)
        cells = {name: getattr(tuning, name) for name in ("session", "subject", "preferred", "follows")}
        rows.loc[len(rows)] = dict.fromkeys(rows.columns, "") | cells | {"nwb": path.as_posix()}
    with atomic_write(folder / "sessions.tsv") as partial:
        rows.to_csv(partial, sep="\t", index=False, lineterminator="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a study of tuning sessions from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write; a stopped run goes on")
    parser.add_argument("--experiments", type=int, default=20, help="evolutions, each with a tuning session")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    write_tuning_study(options.folder, draw_study(options.experiments, options.seed), Packaging())
    print(f"snakemake --config sessions={(options.folder / 'sessions.tsv').as_posix()}")


if __name__ == "__main__":
    main()
