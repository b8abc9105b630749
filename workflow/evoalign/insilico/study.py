"""A study of a network's units: its sessions as NWB files, and their tables by the code of recorded ones."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from evoalign import study, tables
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.session.analyse import analyse_session
from evoalign.files import atomic_write
from evoalign.insilico.image_statistics import evolved_images, image_changes
from evoalign.insilico.linearity import linearity, pooled_linearity
from evoalign.insilico.network import LayeredNetwork
from evoalign.insilico.session import UnitDesign, draw_units, evolve_unit, paired_spaces
from evoalign.insilico.tables import (
    INSILICO_IMAGE_CHANGES,
    INSILICO_IMAGES,
    INSILICO_LAYERS,
    INSILICO_LINEARITY,
)
from evoalign.nwb.read import read_nwb
from evoalign.nwb.write import write_nwb
from evoalign.responses.session_responses import responses_from
from evoalign.simulate.study import SHEET
from evoalign.spaces.hessian import load_eigenframe
from evoalign.spaces.registry import get_space

TABLES = tables.by_name(INSILICO_LINEARITY, INSILICO_LAYERS, INSILICO_IMAGES, INSILICO_IMAGE_CHANGES)

NETWORKS = ("trained", "random", "null")
DESCRIPTION = (
    "Paired evolution of images for a unit of an image network (EfficientNet-Lite0, no animal): two "
    "generative image spaces, each searched by an evolutionary algorithm driven by the unit's activation, "
    "which drives Poisson spikes."
)


def network_of(name: str, config: study.Config, device: str = "cpu") -> LayeredNetwork:
    """Return the network of that name: 'trained' on ImageNet, or 'random' and 'null' with random weights.

    Raises
    ------
    InputError
        As for `LayeredNetwork`.
    """
    settings = config.insilico
    return LayeredNetwork(name == "trained", settings.network_px, settings.weights, config.seed, device)


def write_sessions(
    folder: str | PathLike[str],
    name: str,
    config: study.Config,
    kept: str | PathLike[str] | None = None,
    device: str = "cpu",
) -> None:
    """Evolve images for units of a network, and write the sessions as NWB files and their sample sheet.

    Parameters
    ----------
    folder : path
        Gets ``{session}.nwb`` and ``sessions.tsv``; it appears whole. The sheet lets the whole
        pipeline run over them: ``snakemake --config sessions=FOLDER/sessions.tsv``.
    name : {'trained', 'random', 'null'}
    config : study.Config
        Sections `insilico`, `responses`, `nwb`, .. as for recorded sessions.
    kept : path, optional
        Folder of finished sessions, from which a run that was stopped goes on.
    device : str
    """
    network = network_of(name, config, device)
    packaging = config.nwb.model_copy(update={"description": DESCRIPTION})
    config = config.model_copy(update={"nwb": packaging, "species": "none (image network)"})
    kept = Path(kept) if kept else Path(f"{folder}.sessions")
    rows = []
    spaces = paired_spaces(config, device)
    for design, scale in draw_units(network, name, config.insilico, spaces, config.seed):
        path = kept / f"{design.session}.nwb"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_nwb(path, evolve_unit(design, network, scale, config, device), config)
        rows.append(_sheet_row(design, Path(folder) / path.name, config.insilico.spaces))
    with atomic_write(folder) as partial:
        partial.mkdir()
        for path in sorted(kept.glob("*.nwb")):
            path.rename(partial / path.name)
        sheet = pd.DataFrame(rows, columns=list(SHEET))
        sheet.to_csv(partial / "sessions.tsv", sep="\t", index=False, lineterminator="\n")


def _sheet_row(design: UnitDesign, path: Path, spaces: Sequence[str]) -> tuple[str, ...]:
    site = f"{design.network}/{design.layer}/{design.channel}"
    return (design.session, design.network, path.as_posix(), "1a", site, ";".join(spaces), "")


def analyse_sessions(folder: str | PathLike[str], config: study.Config) -> dict[str, pd.DataFrame]:
    """Tables of a network's sessions, from their NWB files: as of recorded ones, each layer an area.

    Parameters
    ----------
    folder : path
        Of `write_sessions`.
    config : study.Config

    Returns
    -------
    dict of str to pandas.DataFrame
        Those of `pool_sessions`, and `insilico_images` and `insilico_image_changes`.
    """
    sessions, images = [], []
    for path in sorted(Path(folder).glob("*.nwb")):
        contents = read_nwb(path, config.nwb)
        sessions.append(analyse_session(responses_from(contents, config.responses), config))
        images.append(evolved_images(contents).assign(network=contents.subject, layer=contents.area))
    image_table = pd.concat(images, ignore_index=True)
    image_tables = {"insilico_images": image_table, "insilico_image_changes": image_changes(image_table)}
    conformed = {name: tables.conform(frame, TABLES[name]) for name, frame in image_tables.items()}
    return pool_sessions(sessions, config) | conformed


def linear_tables(
    name: str, frames: dict[str, str], config: study.Config, device: str = "cpu"
) -> dict[str, pd.DataFrame]:
    """Tables `insilico_linearity` and `insilico_layers` of a network (docs/methods.md section 8).

    Parameters
    ----------
    name : {'trained', 'random', 'null'}
    frames : mapping of str to path
        Space -> its eigenframe.
    config : study.Config
    device : str
    """
    framed_spaces = {
        space: (get_space(space, config.spaces, device=device), load_eigenframe(path, space))
        for space, path in frames.items()
    }
    network = network_of(name, config, device)
    units = linearity(network, name, framed_spaces, config.insilico, config.encoding, config.seed)
    layers = pooled_linearity(units, config.analysis.n_bootstrap, config.analysis.interval, config.seed)
    linear = {"insilico_linearity": units, "insilico_layers": layers}
    return {key: tables.conform(frame, TABLES[key]) for key, frame in linear.items()}
