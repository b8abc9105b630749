"""A study as large as the published one, as NWB files whose truth is known.

``python -m evoalign.simulate.study FOLDER`` writes 170 experiments and their
sample sheet; ``snakemake --config sessions=FOLDER/sessions.tsv`` takes them
from NWB to the population's figures.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from evoalign.files import atomic_write
from evoalign.nwb.settings import Packaging
from evoalign.nwb.write import write_nwb
from evoalign.responses.settings import Responses
from evoalign.simulate.study_design import AREAS, ExperimentDesign, draw_study
from evoalign.simulate.study_rates import effect
from evoalign.simulate.study_session import simulate_contents

SHEET = ("session", "subject", "nwb", "preferred", "site", "spaces", "unstable_baseline")


def write_study(
    folder: str | PathLike[str],
    designs: Sequence[ExperimentDesign],
    config: Packaging,
    null: bool = False,
    responses: Responses | None = None,
) -> None:
    """Write experiments as NWB files, their sample sheet and their truth.

    Writes ``nwb/{session}.nwb``, ``sessions.tsv``, and ``truth/designs.tsv``
    and ``truth/effects.tsv``, which no rule reads. A file that is there
    already is kept, so a run that was stopped goes on where it was.

    Parameters
    ----------
    folder : path
    designs : sequence of ExperimentDesign
    config : Packaging
        Institution and names, and section ``nwb``.
    null : bool
        Plant no difference between the threads.
    responses : Responses, optional
        The range of the counts, over which responses are simulated; the default's when not given.
    """
    folder = Path(folder)
    counts = responses or Responses()
    span = (counts.start_ms, counts.stop_ms)
    for design in tqdm(designs, desc="experiments", unit="session", disable=None):
        path = folder / "nwb" / f"{design.session}.nwb"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_nwb(path, simulate_contents(design, *span, null=null), config)
    _write_tsv(folder / "sessions.tsv", sample_sheet(designs, folder / "nwb"))
    _write_tsv(folder / "truth" / "designs.tsv", designs_table(designs))
    _write_tsv(folder / "truth" / "effects.tsv", effects_table(*span, null=null))


def sample_sheet(designs: Sequence[ExperimentDesign], folder: Path) -> pd.DataFrame:
    """Return the sample sheet of experiments whose NWB files lie in a folder."""
    rows = [
        (
            design.session,
            design.subject,
            (folder / f"{design.session}.nwb").as_posix(),
            design.preferred,
            design.site,
            ";".join(design.spaces),
            design.unstable,
        )
        for design in designs
    ]
    return pd.DataFrame(rows, columns=list(SHEET))


def designs_table(designs: Sequence[ExperimentDesign]) -> pd.DataFrame:
    """Return the designs, one row an experiment; pairs become two columns."""
    frame = pd.DataFrame(
        [dataclasses.asdict(design) | {"valid": design.valid, "site": design.site} for design in designs]
    )
    for name in ("spaces", "founders", "images", "rises"):
        pairs = frame.pop(name).tolist()
        frame[f"{name}_0"], frame[f"{name}_1"] = zip(*pairs, strict=True)
    return frame


def effects_table(start_ms: int, stop_ms: int, null: bool = False) -> pd.DataFrame:
    """Return the planted effect of each area and ms: texture minus object over their mean."""
    time = np.arange(start_ms, stop_ms)
    size = {area: np.zeros(len(time)) if null else effect(area, time + 0.5) for area in AREAS}
    area_tables = [pd.DataFrame({"time_ms": time, "effect": size[area]}).assign(area=area) for area in AREAS]
    return pd.concat(area_tables, ignore_index=True)


def _write_tsv(path: Path, frame: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        frame.to_csv(partial, sep="\t", index=False, lineterminator="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write; a stopped run goes on")
    parser.add_argument("--experiments", type=int, help="only so many; 170 when left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--null", action="store_true", help="plant no difference between the spaces")
    options = parser.parse_args(arguments)
    designs = draw_study(options.experiments, options.seed)
    write_study(options.folder, designs, Packaging(), options.null)
    print(f"snakemake --config sessions={(options.folder / 'sessions.tsv').as_posix()}")


if __name__ == "__main__":
    main()
