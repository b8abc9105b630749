"""Recordings, logs and stimuli in a user's folders, and which belong together."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evoalign.events.distinct_names import IMAGE_SUFFIXES
from evoalign.events.latent_codes import CODE_FILE
from evoalign.formats.monkeylogic.behavior import SUFFIXES as LOG_SUFFIXES
from evoalign.formats.neo_rawio.systems import SYSTEMS, system_of
from evoalign.formats.opening import BLACKROCK_SUFFIXES, SINGLE_FILE
from evoalign.tabbed import read_tabbed

MOST_STEPS = 2  # folders up and down between a recording and what belongs to it
OF_IMAGES = re.compile(r"image|stim|pic", re.IGNORECASE)  # names of folders, where several hold pictures
FEWEST_IMAGES = 2  # of a folder of images
# Words in names of files that are no animal's.
NO_NAME = {
    "nsp",
    "hub",
    "datafile",
    "session",
    "day",
    "file",
    "rec",
    "recording",
    "data",
    "raw",
    "log",
    "test",
}


@dataclass
class StudyFiles:
    """What lies in folders, by kind.

    Attributes
    ----------
    recordings : list of tuple of Path
        The raw files of each recording.
    nwb, logs, latents, images, maps : list of Path
        NWB files; stimulus logs; folders of latents and of images; array maps.
    """

    recordings: list[tuple[Path, ...]] = field(default_factory=list)
    nwb: list[Path] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    latents: list[Path] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    maps: list[Path] = field(default_factory=list)


def study_files(folders: Iterable[Path]) -> StudyFiles:
    """Look through folders for what a sample sheet names; nothing is opened but tables of text."""
    files = StudyFiles()
    for folder in folders:
        for place, subfolders, names in os.walk(folder):
            folder_path = Path(place)
            if _enter_folder(folder_path, files):
                subfolders.clear()
                continue
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            _enter_files(sorted(folder_path / name for name in names if not name.startswith(".")), files)
    files.images = [folder for folder in files.images if OF_IMAGES.search(folder.name)] or files.images
    return files


def _enter_folder(folder: Path, files: StudyFiles) -> bool:
    """Enter a folder that is one thing by itself: a recording, or an NWB file as Zarr."""
    if folder.name.endswith(".nwb.zarr"):
        files.nwb.append(folder)
        return True
    is_recording = folder.suffix.lower() in SINGLE_FILE
    if not is_recording and (system := system_of([folder])):
        # Of Open Ephys that folder itself: those around it may hold several recordings.
        is_recording = system.name != "open_ephys" or (folder / "structure.oebin").exists()
    if is_recording:
        files.recordings.append((folder,))
    return is_recording


def _enter_files(paths: Sequence[Path], files: StudyFiles) -> None:
    blackrock: dict[str, list[Path]] = {}
    for path in paths:
        suffix = path.suffix.lower()
        if suffix in BLACKROCK_SUFFIXES and suffix != ".ccf":
            blackrock.setdefault(path.stem, []).append(path)
        elif suffix in SINGLE_FILE or any(suffix in system.suffixes for system in SYSTEMS):
            files.recordings.append((path,))
        elif suffix == ".nwb":
            files.nwb.append(path)
        elif suffix == ".cmp" or _header_has(path, "channel", "area"):
            files.maps.append(path)
        elif (suffix in LOG_SUFFIXES and not _is_of_latents(path)) or _header_has(path, "onset_word"):
            files.logs.append(path)
    files.recordings += [tuple(members) for members in blackrock.values()]
    if any(CODE_FILE.fullmatch(path.name) for path in paths):
        files.latents.append(paths[0].parent)
    if sum(path.suffix.lower() in IMAGE_SUFFIXES for path in paths) >= FEWEST_IMAGES:
        files.images.append(paths[0].parent)


def _is_of_latents(path: Path) -> bool:
    return bool(CODE_FILE.fullmatch(path.name)) or path.name == "space_opts.mat"


def _header_has(path: Path, *columns: str) -> bool:
    if path.suffix.lower() != ".tsv":
        return False
    try:
        _, header, _ = read_tabbed(path, "the file")
    except Exception:  # whatever it is: no table of ours
        return False
    return set(columns) <= set(header)


def matching(recording: Path, candidates: Sequence[Path], recordings: Sequence[Path]) -> Path | None:
    """Return the candidate that belongs to a recording; None where none does, or it cannot be told.

    Near are candidates in the same folder, or in one next to it. The one that shares most numbers of
    four digits and more (dates) or the start of the name is taken; without
    any, the only candidate of a folder with a single recording.

    Parameters
    ----------
    recording : Path
        Its file or folder.
    candidates : sequence of Path
        Logs, folders of latents or of images, or array maps.
    recordings : sequence of Path
        All recordings, of which each could be the candidate's.
    """
    near = [candidate for candidate in candidates if _steps(recording, candidate) <= MOST_STEPS]
    shared = [_shared(recording, candidate) for candidate in near]
    most = max(shared, default=0)
    best = [candidate for candidate, n in zip(near, shared, strict=True) if n == most]
    if most:
        nearest = min(_steps(recording, candidate) for candidate in best)
        best = [candidate for candidate in best if _steps(recording, candidate) == nearest]
        return best[0] if len(best) == 1 else None
    beside = [candidate for candidate in best if _steps(recording, candidate) == 0]
    alone = sum(_steps(another, recording) == 0 for another in recordings) == 1
    return beside[0] if len(beside) == 1 and alone else None


def _steps(recording: Path, candidate: Path) -> int:
    start, end = recording.absolute().parent, candidate.absolute().parent
    common = Path(os.path.commonpath([start, end]))
    return len(start.relative_to(common).parts) + len(end.relative_to(common).parts)


def _shared(recording: Path, candidate: Path) -> int:
    """Return how much of two names is the same: numbers, and the whole of the shorter at the start."""
    first, second = (path.stem.lower() for path in (recording, candidate))
    numbers = [set(re.findall(r"\d{4,}", name)) for name in (first, second)]
    return len(numbers[0] & numbers[1]) + 2 * (first.startswith(second) or second.startswith(first))


def animal(path: Path) -> str:
    """Return the animal that a name as ``Beto-22012021-003`` begins with; '' of other names."""
    match = re.match(r"([A-Za-z]{2,})[-_]?\d{6,8}(?!\d)", path.stem)
    return match[1] if match and match[1].lower() not in NO_NAME else ""
