"""Exports a .pl2 file to a bundle, by means of Plexon's own library.

This file needs nothing but Python 3.11 and numpy, and may be copied alone to
the acquisition PC: ``python export.py FILE.pl2 --library PL2FileReader64.dll``.
The library comes with Plexon's C++ PL2 offline SDK. The bundle's layout stands
in ``docs/plexon2_bundle.md``.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import shutil
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_int, c_short, c_uint, c_ulonglong, c_ushort
from pathlib import Path
from typing import Any

import numpy as np

BUNDLE_FORMAT, BUNDLE_VERSION = "evoalign-pl2-bundle", 1
SUFFIX = ".pl2bundle"


class LibraryError(RuntimeError):
    """Plexon's library is missing, or refuses the file."""


class Tm(ctypes.Structure):
    """`tm` of the C library."""

    _fields_ = [
        (f"tm_{name}", c_int)
        for name in ("sec", "min", "hour", "mday", "mon", "year", "wday", "yday", "isdst")
    ]


class FileInfo(ctypes.Structure):
    """`PL2FileInfo` of PL2FileReader.h."""

    _fields_ = [
        ("m_CreatorComment", c_char * 256),
        ("m_CreatorSoftwareName", c_char * 64),
        ("m_CreatorSoftwareVersion", c_char * 16),
        ("m_CreatorDateTime", Tm),
        ("m_CreatorDateTimeMilliseconds", c_int),
        ("m_TimestampFrequency", c_double),
        ("m_NumberOfChannelHeaders", c_uint),
        ("m_TotalNumberOfSpikeChannels", c_uint),
        ("m_NumberOfRecordedSpikeChannels", c_uint),
        ("m_TotalNumberOfAnalogChannels", c_uint),
        ("m_NumberOfRecordedAnalogChannels", c_uint),
        ("m_NumberOfDigitalChannels", c_uint),
        ("m_MinimumTrodality", c_uint),
        ("m_MaximumTrodality", c_uint),
        ("m_NumberOfNonOmniPlexSources", c_uint),
        ("m_Unused", c_int),
        ("m_ReprocessorComment", c_char * 256),
        ("m_ReprocessorSoftwareName", c_char * 64),
        ("m_ReprocessorSoftwareVersion", c_char * 16),
        ("m_ReprocessorDateTime", Tm),
        ("m_ReprocessorDateTimeMilliseconds", c_int),
        ("m_StartRecordingTime", c_ulonglong),
        ("m_DurationOfRecording", c_ulonglong),
    ]


_CHANNEL: Any = [
    ("m_Name", c_char * 64),
    ("m_Source", c_uint),
    ("m_Channel", c_uint),
    ("m_ChannelEnabled", c_uint),
    ("m_ChannelRecordingEnabled", c_uint),
]
_SAMPLED: Any = [
    ("m_Units", c_char * 16),
    ("m_SamplesPerSecond", c_double),
    ("m_CoeffToConvertToUnits", c_double),
]
_TRODE: Any = [
    ("m_SourceTrodality", c_uint),
    ("m_OneBasedTrode", c_ushort),
    ("m_OneBasedChannelInTrode", c_ushort),
]


class AnalogInfo(ctypes.Structure):
    """`PL2AnalogChannelInfo` of PL2FileReader.h."""

    _fields_ = [
        *_CHANNEL,
        *_SAMPLED,
        *_TRODE,
        ("m_NumberOfValues", c_ulonglong),
        ("m_MaximumNumberOfFragments", c_ulonglong),
    ]


class SpikeInfo(ctypes.Structure):
    """`PL2SpikeChannelInfo` of PL2FileReader.h."""

    _fields_ = [
        *_CHANNEL,
        *_SAMPLED,
        ("m_SamplesPerSpike", c_uint),
        ("m_Threshold", c_int),
        ("m_PreThresholdSamples", c_uint),
        ("m_SortEnabled", c_uint),
        ("m_SortMethod", c_uint),
        ("m_NumberOfUnits", c_uint),
        ("m_SortRangeStart", c_uint),
        ("m_SortRangeEnd", c_uint),
        ("m_UnitCounts", c_ulonglong * 256),
        *_TRODE,
        ("m_NumberOfSpikes", c_ulonglong),
    ]


class DigitalInfo(ctypes.Structure):
    """`PL2DigitalChannelInfo` of PL2FileReader.h."""

    _fields_ = [*_CHANNEL, ("m_NumberOfEvents", c_ulonglong)]


INFOS = {"Analog": AnalogInfo, "Spike": SpikeInfo, "Digital": DigitalInfo}


def load_library(path: Path) -> Any:
    """Load PL2FileReader.dll and declare the functions that the export calls.

    Raises
    ------
    LibraryError
        It cannot be loaded.
    """
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise LibraryError(f"cannot load Plexon's library {path}: {error}") from None
    u64, i16, u16 = POINTER(c_ulonglong), POINTER(c_short), POINTER(c_ushort)
    library.PL2_OpenFile.argtypes = (c_char_p, POINTER(c_int))
    library.PL2_CloseFile.argtypes = (c_int,)
    library.PL2_GetLastError.argtypes = (c_char_p, c_int)
    library.PL2_GetFileInfo.argtypes = (c_int, POINTER(FileInfo))
    for kind, info in INFOS.items():
        getattr(library, f"PL2_Get{kind}ChannelInfo").argtypes = (c_int, c_int, POINTER(info))
    library.PL2_GetAnalogChannelData.argtypes = (c_int, c_int, u64, u64, u64, u64, i16)
    library.PL2_GetSpikeChannelData.argtypes = (c_int, c_int, u64, u64, u16, i16)
    library.PL2_GetDigitalChannelData.argtypes = (c_int, c_int, u64, u64, u16)
    library.PL2_GetStartStopChannelInfo.argtypes = (c_int, u64)
    library.PL2_GetStartStopChannelData.argtypes = (c_int, u64, u64, u16)
    return library


def export(path: Path, folder: Path, library: Any) -> Path:
    """Write all that Plexon's library reads from a .pl2 file into a bundle.

    Parameters
    ----------
    path : Path
        The .pl2 file.
    folder : Path
        The bundle; it appears whole or not at all.
    library : ctypes.CDLL
        As `load_library` returns it.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    LibraryError
        The library cannot read the file, or gives other totals than it announced.
    """
    if folder.exists():
        raise LibraryError(f"{folder} exists already; remove it first")
    partial = folder.with_name(f".partial-{os.getpid()}-{folder.name}")
    partial.mkdir(parents=True)
    try:
        _Export(path, partial, library).run()
        partial.replace(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


class _Export:
    def __init__(self, path: Path, folder: Path, library: Any) -> None:
        self.path, self.folder, self.library = path, folder, library
        self.handle = c_int(0)
        self.files: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        if not str(self.path).isascii():
            raise LibraryError(f"Plexon's library takes plain ASCII paths only: move {self.path}")
        self.library.PL2_OpenFile(str(self.path).encode("ascii"), byref(self.handle))
        if not self.handle.value:
            raise LibraryError(f"Plexon's library cannot open {self.path}: {self._last_error()}")
        try:
            info = FileInfo()
            self._call("PL2_GetFileInfo", byref(info))
            manifest = {
                "format": BUNDLE_FORMAT,
                "version": BUNDLE_VERSION,
                "source": {
                    "name": self.path.name,
                    "bytes": self.path.stat().st_size,
                    "sha256": file_sha256(self.path),
                },
                "header": plain(info),
                "analog": [self._analog(i) for i in range(info.m_TotalNumberOfAnalogChannels)],
                "spikes": [self._spikes(i) for i in range(info.m_TotalNumberOfSpikeChannels)],
                "events": [self._events(i) for i in range(info.m_NumberOfDigitalChannels)],
            }
            self._start_stop()
        finally:
            self.library.PL2_CloseFile(self.handle)
        manifest["files"] = self.files
        content = json.dumps(manifest, indent=1, sort_keys=True)
        (self.folder / "manifest.json").write_text(content, encoding="utf-8", newline="\n")

    def _last_error(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        self.library.PL2_GetLastError(buffer, 256)
        return buffer.value.decode("latin-1")

    def _call(self, name: str, *arguments: Any) -> None:
        if not getattr(self.library, name)(self.handle, *arguments):
            raise LibraryError(f"{name} fails for {self.path}: {self._last_error()}")

    def _info(self, kind: str, index: int) -> Any:
        info = INFOS[kind]()
        self._call(f"PL2_Get{kind}ChannelInfo", c_int(index), byref(info))
        return info

    def _save(self, name: str, values: np.ndarray) -> None:
        file = self.folder / f"{name}.npy"
        np.save(file, values, allow_pickle=False)
        self.files[file.name] = {"bytes": file.stat().st_size, "sha256": file_sha256(file)}

    def _same(self, content: str, announced: int, returned: int) -> None:
        if announced != returned:
            raise LibraryError(f"{content}: the library announced {announced} and returned {returned}")

    def _analog(self, index: int) -> dict[str, Any]:
        info = self._info("Analog", index)
        n, k = int(info.m_NumberOfValues), int(info.m_MaximumNumberOfFragments)
        if n:
            ticks, counts = np.zeros(k, np.uint64), np.zeros(k, np.uint64)
            values = np.zeros(n, np.int16)
            got_k, got_n = c_ulonglong(k), c_ulonglong(n)
            pointers = [pointer(array) for array in (ticks, counts, values)]
            self._call("PL2_GetAnalogChannelData", c_int(index), byref(got_k), byref(got_n), *pointers)
            k = got_k.value
            self._same(f"samples of {info.m_Name!r}", n, got_n.value)
            self._same(f"samples in the fragments of {info.m_Name!r}", n, int(counts[:k].sum()))
            self._save(f"analog_{index:03d}", values)
            self._save(
                f"analog_{index:03d}_fragments", np.stack((ticks[:k], counts[:k]), axis=1).astype("<i8")
            )
        return plain(info)

    def _spikes(self, index: int) -> dict[str, Any]:
        info = self._info("Spike", index)
        n, points = int(info.m_NumberOfSpikes), int(info.m_SamplesPerSpike)
        if n:
            ticks, units = np.zeros(n, np.uint64), np.zeros(n, np.uint16)
            waveforms = np.zeros((n, points), np.int16)
            returned = c_ulonglong(n)
            pointers = [pointer(array) for array in (ticks, units, waveforms)]
            self._call("PL2_GetSpikeChannelData", c_int(index), byref(returned), *pointers)
            self._same(f"spikes of {info.m_Name!r}", n, returned.value)
            counted = list(info.m_UnitCounts)
            if np.bincount(units, minlength=256).tolist() != counted:
                raise LibraryError(f"spikes by unit of {info.m_Name!r} are not as the library announced")
            self._save(f"spikes_{index:03d}_ticks", ticks.astype("<i8"))
            self._save(f"spikes_{index:03d}_units", units)
            self._save(f"spikes_{index:03d}_waveforms", waveforms)
        return plain(info)

    def _events(self, index: int) -> dict[str, Any]:
        info = self._info("Digital", index)
        n = int(info.m_NumberOfEvents)
        if n:
            ticks, values, returned = np.zeros(n, np.uint64), np.zeros(n, np.uint16), c_ulonglong(n)
            pointers = [pointer(array) for array in (ticks, values)]
            self._call("PL2_GetDigitalChannelData", c_int(index), byref(returned), *pointers)
            self._same(f"events of {info.m_Name!r}", n, returned.value)
            self._save(f"events_{index:03d}_ticks", ticks.astype("<i8"))
            self._save(f"events_{index:03d}_values", values)
        return plain(info)

    def _start_stop(self) -> None:
        n = c_ulonglong(0)
        self._call("PL2_GetStartStopChannelInfo", byref(n))
        ticks, values, returned = (
            np.zeros(n.value, np.uint64),
            np.zeros(n.value, np.uint16),
            c_ulonglong(n.value),
        )
        if n.value:
            self._call("PL2_GetStartStopChannelData", byref(returned), pointer(ticks), pointer(values))
            self._same("starts and stops", n.value, returned.value)
        self._save("start_stop_ticks", ticks.astype("<i8"))
        self._save("start_stop_values", values)


def pointer(array: np.ndarray) -> Any:
    """Return the C pointer to the values of an array of any shape, ``[...]``."""
    ctype = {np.uint64: c_ulonglong, np.uint16: c_ushort, np.int16: c_short}[array.dtype.type]
    return array.ctypes.data_as(POINTER(ctype))


def plain(info: ctypes.Structure) -> dict[str, Any]:
    """Return a structure as what JSON can hold; fields lose their ``m_``."""
    content: dict[str, Any] = {}
    for name, _ in info._fields_:  # type: ignore[misc]
        value = getattr(info, name)
        if isinstance(value, ctypes.Structure):
            value = plain(value)
        elif isinstance(value, bytes):
            value = value.decode("latin-1")
        elif isinstance(value, ctypes.Array):
            value = list(value)
        content[name.removeprefix("m_")] = value
    return content


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in chunks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Run the export from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="plexon2 export", description=__doc__)
    parser.add_argument("file", type=Path, help="the .pl2 file")
    parser.add_argument("--library", type=Path, default=Path("PL2FileReader64.dll"), help="Plexon's library")
    parser.add_argument("--bundle", type=Path, help=f"folder to write; by default FILE{SUFFIX}")
    options = parser.parse_args(arguments)
    folder = options.bundle or options.file.with_suffix(SUFFIX)
    try:
        export(options.file, folder, load_library(options.library))
    except (LibraryError, OSError) as error:
        print(f"no bundle was written: {error}", file=sys.stderr)
        return 1
    print(f"wrote {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
