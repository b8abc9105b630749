"""Which files belong to which system, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoalign.errors import InputError
from evoalign.formats.neo_rawio.contents import RecordingContents, build
from evoalign.formats.neo_rawio.edf import edf_contents
from evoalign.formats.neo_rawio.intan import intan_contents
from evoalign.formats.neo_rawio.neuralynx import neuralynx_contents
from evoalign.formats.neo_rawio.neuralynx_layout import SUFFIXES as NEURALYNX
from evoalign.formats.neo_rawio.neuralynx_layout import is_neuralynx
from evoalign.formats.neo_rawio.neuroexplorer import nex_contents
from evoalign.formats.neo_rawio.open_ephys import open_ephys_contents
from evoalign.formats.neo_rawio.spike2 import smr_contents
from evoalign.formats.neo_rawio.spikegadgets import spikegadgets_contents
from evoalign.formats.neo_rawio.through_neo import neo_contents
from evoalign.recordings.recording import Recording


@dataclass(frozen=True)
class System:
    """A format: its name, what its files are called, and who reads it.

    Attributes
    ----------
    name : str
        `Recording.format`.
    suffixes : tuple of str
        Of its files.
    inside : tuple of str
        Patterns of files that say that a folder is one of its recordings.
    read : callable
        (files, gap tolerance in s) -> `RecordingContents`.
    """

    name: str
    suffixes: tuple[str, ...]
    inside: tuple[str, ...]
    read: Callable[[Sequence[Path], float], RecordingContents]


def _one(read: Callable[[Path], RecordingContents]) -> Callable[[Sequence[Path], float], RecordingContents]:
    def opener(files: Sequence[Path], gap_tolerance_s: float) -> RecordingContents:  # noqa: ARG001 - one signature for all
        if len(files) != 1:
            raise InputError(
                f"{len(files)} files are given, of which each is a recording", files[0], "give one"
            )
        return read(files[0])

    return opener


def _neo(system: str, reader: str, argument: str) -> Callable[[Sequence[Path], float], RecordingContents]:
    """Return an opener that reads through a class of `neo.rawio`."""

    def read(path: Path) -> RecordingContents:
        import neo.rawio  # takes a second to import, and most recordings do not need it

        cls: Any = getattr(neo.rawio, reader)
        given = path.parent if argument == "dirname" and path.is_file() else path
        return neo_contents(system, lambda: cls(**{argument: str(given)}), given)

    return _one(read)


def _intan(files: Sequence[Path], gap_tolerance_s: float) -> RecordingContents:  # noqa: ARG001 - one signature for all
    return intan_contents(_with_folder(files))


def _smr(files: Sequence[Path], gap_tolerance_s: float) -> RecordingContents:
    return _one(lambda path: smr_contents(path, gap_tolerance_s))(files, gap_tolerance_s)


def _edf(files: Sequence[Path], gap_tolerance_s: float) -> RecordingContents:
    return _one(lambda path: edf_contents(path, gap_tolerance_s))(files, gap_tolerance_s)


def _any_case(suffixes: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"*{name}" for s in suffixes for name in (s, s.upper(), "." + s[1:].capitalize()))


OEBIN = tuple("*/" * depth + "structure.oebin" for depth in range(4))
SYSTEMS = (
    System("intan", (".rhd", ".rhs"), ("info.rhd", "info.rhs"), _intan),
    System("open_ephys", (".oebin",), OEBIN, _one(open_ephys_contents)),
    System("neuralynx", NEURALYNX, _any_case(NEURALYNX), neuralynx_contents),
    System("spikegadgets", (".rec",), (), _one(spikegadgets_contents)),
    System("spike2", (".smr",), (), _smr),
    System("neuroexplorer", (".nex",), (), _one(nex_contents)),
    System("edf", (".edf",), (), _edf),
    System("spike2_64", (".smrx",), (), _neo("Spike2 64 bit", "CedRawIO", "filename")),
    System("tdt", (".tbk", ".tsq", ".tev"), ("*.tsq",), _neo("TDT", "TdtRawIO", "dirname")),
    System("open_ephys_classic", (".continuous",), ("*.continuous",),
           _neo("Open Ephys classic", "OpenEphysRawIO", "dirname")),
    System("alpha_omega", (".mpx", ".lsx"), ("*.mpx",), _neo("Alpha Omega", "AlphaOmegaRawIO", "dirname")),
)  # fmt: skip


def _with_folder(files: Sequence[Path]) -> Sequence[Path]:
    """Return the folder in place of its info.rhd."""
    if len(files) == 1 and files[0].name.lower() in ("info.rhd", "info.rhs"):
        return [files[0].parent]
    return files


def _holds(folder: Path, system: System) -> bool:
    """Return whether a folder is a recording of a system."""
    inside = (file for pattern in system.inside for file in folder.glob(pattern))
    try:
        # Blackrock's event files have the suffix of Neuralynx's.
        return any(system.name != "neuralynx" or is_neuralynx(file) for file in inside)
    except FileNotFoundError:  # what other programs put beside a file may go while it is looked at
        return False


def system_of(files: Sequence[Path]) -> System | None:
    """Return the system whose files these are; None when none is."""
    if len(files) == 1 and files[0].is_dir():
        return next((s for s in SYSTEMS if _holds(files[0], s)), None)
    suffixes = {file.suffix.lower() for file in files}
    for system in SYSTEMS:
        if suffixes <= set(system.suffixes) and not any(file.is_dir() for file in files):
            # Blackrock's event files have the suffix of Neuralynx's.
            if system.name == "neuralynx" and not all(is_neuralynx(file) for file in files):
                continue
            return system
    return None


def open_system(system: System, files: Sequence[Path], gap_tolerance_s: float) -> Recording:
    """Open a recording of one of `SYSTEMS`.

    Raises
    ------
    InputError
        What is in the files does not add up, or they cannot be read.
    """
    try:
        contents = system.read(files, gap_tolerance_s)
    except OSError as error:
        raise InputError(
            f"{system.name}: a file cannot be read: {error.strerror}", error.filename or files[0]
        ) from error
    used = _with_folder(files) if system.name == "intan" else files
    return build(system.name, used, contents, gap_tolerance_s)
