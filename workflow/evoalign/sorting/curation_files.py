"""What a person decided in a curation file: SpikeInterface's curation format, or a folder of phy."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import spikeinterface as si
from pydantic import ValidationError
from spikeinterface.curation import apply_curation
from spikeinterface.curation.curation_model import Curation

from evoalign.errors import InputError

# Labels of phy, spikeinterface-gui and sortingview -> ours; others say nothing of the quality.
LABELS = {
    "good": "good",
    "accept": "good",
    "sua": "good",
    "mua": "mua",
    "noise": "noise",
    "artifact": "noise",
    "reject": "noise",
}
_WHOLE_NUMBER = re.compile(r"\d{1,9}(?:\.0+)?")
REMOVED = -1
HINT = "curate the sorting that is there: export it again"


@dataclass(frozen=True)
class CuratedGroups:
    """What a person has decided.

    Attributes
    ----------
    group : ndarray
        Unit that each sorted spike belongs to now, ``[spike]``; -1 when its
        unit was removed.
    labels : dict of int to str
        Group -> 'good', 'mua' or 'noise', where a label was given.
    """

    group: np.ndarray
    labels: dict[int, str]


def read_groups(path: Path, unit: np.ndarray) -> CuratedGroups:
    """Read what a person decided about the sorted spikes.

    Parameters
    ----------
    path : Path
        A ``.json`` file, or a folder of phy or a file in it.
    unit : ndarray
        Unit of each sorted spike in the order of time, ``[spike]``.

    Returns
    -------
    CuratedGroups
        The group of each spike and the labels of the groups.

    Raises
    ------
    InputError
        The curation cannot be read, contradicts itself, or was made for
        another sorting.
    """
    return _read_json(path, unit) if path.suffix == ".json" else _read_phy(path, unit)


def _read_json(path: Path, unit: np.ndarray) -> CuratedGroups:
    """Let SpikeInterface apply its own format to the ranks of the spikes, which are exact."""
    try:
        model = Curation(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"the curation cannot be read: {error!r}", path, "save it again") from error
    except ValidationError as error:
        messages = "; ".join(str(item["msg"]) for item in error.errors())
        raise InputError(f"the curation is not valid: {messages}", path, "save it again") from error
    except ValueError as error:
        raise InputError(f"the curation is no valid JSON: {error}", path, "save it again") from error
    sorted_units = np.unique(unit).tolist()
    curated_names = {str(name) for name in model.unit_ids}
    if curated_names != {str(number) for number in sorted_units}:
        unknown = sorted(curated_names ^ {str(number) for number in sorted_units})
        raise InputError(f"the curation was made for other units: {', '.join(unknown[:10])}", path, HINT)
    name_of = {str(name): name for name in model.unit_ids}
    ranks = {name_of[str(number)]: np.flatnonzero(unit == number) for number in sorted_units}
    try:
        curated_sorting = apply_curation(si.NumpySorting.from_unit_dict([ranks], 1.0), model)
    except (ValueError, AssertionError, KeyError, IndexError) as error:
        raise InputError(f"the curation cannot be applied: {error}", path, HINT) from error
    group = np.full(len(unit), REMOVED)
    for number, name in enumerate(curated_sorting.unit_ids):
        group[curated_sorting.get_unit_spike_train(name, 0)] = number
    label_of = {
        int(str(manual.unit_id)): _label([word for words in manual.labels.values() for word in words])
        for manual in model.manual_labels or []
    }
    return CuratedGroups(group, _agreed(group, unit, label_of))


def _agreed(group: np.ndarray, unit: np.ndarray, label_of: dict[int, str]) -> dict[int, str]:
    """Labels of groups whose labelled members have the same one."""
    labels = {}
    for number in np.unique(group[group != REMOVED]).tolist():
        named = {label_of.get(member, "") for member in np.unique(unit[group == number]).tolist()} - {""}
        if len(named) == 1:
            labels[number] = named.pop()
    return labels


def _label(words: list[str]) -> str:
    recognised = {LABELS[word.lower()] for word in words if word.lower() in LABELS}
    return recognised.pop() if len(recognised) == 1 else ""


def _read_phy(path: Path, unit: np.ndarray) -> CuratedGroups:
    folder = path if path.is_dir() else path.parent
    try:
        cluster, template = (
            np.load(folder / f"spike_{name}.npy").ravel().astype(np.int64)
            for name in ("clusters", "templates")
        )
        ids = pd.read_csv(folder / "cluster_si_unit_ids.tsv", sep="\t").set_index("cluster_id")["si_unit_id"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"this is no folder of phy: {error}", folder, "give the folder of params.py"
        ) from error
    # Both are in the order of time; spikes of one sample differ in their unit.
    original = ids.reindex(template).to_numpy()
    if len(cluster) != len(unit) or len(template) != len(unit):
        problem = f"phy has {len(cluster)} spikes, the sorting {len(unit)}"
        raise InputError(problem, folder, HINT)
    group = np.full(len(unit), REMOVED)
    for number in np.unique(unit):
        in_phy, in_sorting = np.flatnonzero(original == number), np.flatnonzero(unit == number)
        if len(in_phy) != len(in_sorting):
            raise InputError(
                f"unit {number} has {len(in_phy)} spikes in phy, {len(in_sorting)} in the sorting",
                folder,
                HINT,
            )
        group[in_sorting] = cluster[in_phy]
    return CuratedGroups(group, _phy_labels(folder))


def _phy_labels(folder: Path) -> dict[int, str]:
    """Labels that phy has saved: no file before the first one, a blank for one taken back."""
    # phy 1 wrote the second name; both are separated by tabs.
    saved = [folder / name for name in ("cluster_group.tsv", "cluster_groups.csv")]
    file = next((name for name in saved if name.is_file()), None)
    if file is None:
        return {}
    try:
        groups = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False).fillna("")
        numbers, words = groups["cluster_id"].str.strip(), groups["group"].str.strip()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"the labels of phy cannot be read: {error!r}", file, "save them again in phy"
        ) from error
    labels = {}
    for row, (number, word) in enumerate(zip(numbers, words, strict=True), 2):
        if not _WHOLE_NUMBER.fullmatch(number):
            problem = f"'{number}' is no number of a cluster" if number else "cluster_id is blank"
            raise InputError(problem, f"{file}, row {row}", "write its number, or remove the row")
        labels[int(float(number))] = _label([word])
    return {number: label for number, label in labels.items() if label}
