"""Latent codes of the shown images: one .mat file a block and thread."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.events.contradictions import check_latent_rows
from evoalign.events.distinct_names import IMAGE_SUFFIXES, image_files
from evoalign.events.names import image_stem, parse_image_name
from evoalign.files import atomic_write
from evoalign.formats.monkeylogic.hdf5 import is_hdf5, read_hdf5
from evoalign.formats.monkeylogic.mat5 import read_mat5

Codes = dict[tuple[int, int], tuple[NDArray[np.float64], list[str]]]

CODE_FILE = re.compile(r"block(\d{1,9})_thread(\d{1,9})_code\.mat")
_HINT = "export the latents of this block again"
# The text at the head of a .mat file, 116 bytes; scipy writes the date into it.
_HEADER = b"MATLAB 5.0 MAT-file, latent codes of one block and thread".ljust(116)


def write_codes(
    folder: str | PathLike[str], block: int, thread: int, codes: NDArray[Any], ids: Sequence[str]
) -> Path:
    """Write ``block{BBB}_thread{TTT}_code.mat``; equal input gives equal bytes.

    Parameters
    ----------
    folder : path
        Made when missing.
    block, thread : int
        Block from 1; thread from 0.
    codes : ndarray
        float ``[image, latent]``.
    ids : sequence of str
        Image names, one a row of `codes`.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        Rows and names differ in number.
    """
    from scipy.io import savemat  # takes as long to load as a small NWB file to open

    path = Path(folder) / f"block{block:03d}_thread{thread:03d}_code.mat"
    _check_counts(codes, ids, path)
    names = np.empty(len(ids), object)
    names[:] = list(ids)
    with atomic_write(path) as partial:
        savemat(partial, {"codes": np.asarray(codes, np.float64), "ids": names}, oned_as="row")
        with partial.open("r+b") as stream:
            stream.write(_HEADER)
    return path


def read_codes(folder: str | PathLike[str]) -> Codes:
    """Read the latents of all blocks and threads.

    Files are ``block{BBB}_thread{TTT}_code.mat`` with the variables ``codes``
    and ``ids``, as the study's task saves them. Some versions of that task
    number the files by the block before the one that shows the images, so
    where the ids name one block, that block counts and not the file's number.

    Parameters
    ----------
    folder : path
        Other files in it are ignored.

    Returns
    -------
    dict of (int, int) to (ndarray, list of str)
        (block, thread) -> float64 ``[image, latent]`` and image names without
        suffix.

    Raises
    ------
    InputError
        No such file, one is damaged or lacks a variable, codes are not finite
        numbers, ids and codes differ in number, a name occurs twice, or two
        files hold the same block and thread.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("the folder of latents does not exist", folder, "correct the path in sessions.tsv")
    files = sorted(file for file in folder.iterdir() if CODE_FILE.fullmatch(file.name))
    if not files:
        raise InputError("no block*_thread*_code.mat files in the folder", folder, "give the task's backup")
    codes_of: Codes = {}
    sources: dict[tuple[int, int], Path] = {}
    for file in files:
        codes, ids = _read_one(file)
        key = _block_and_thread(file, ids)
        if key in codes_of:
            raise InputError(
                f"block {key[0]} of thread {key[1]} stands in two files",
                f"{sources[key]} and {file}",
                "keep one of them",
            )
        codes_of[key] = codes, ids
        sources[key] = file
    return dict(sorted(codes_of.items()))


def _read_one(file: Path) -> tuple[NDArray[np.float64], list[str]]:
    content = read_hdf5(file) if is_hdf5(file) else read_mat5(file, ("codes", "ids"))
    missing = [name for name in ("codes", "ids") if name not in content]
    if missing:
        raise InputError(f"the file lacks the variables {missing}", file, _HINT)
    codes = np.asarray(content["codes"])
    if codes.ndim != 2 or codes.dtype.kind not in "fiu" or not np.isfinite(codes).all():
        raise InputError(
            f"codes are no matrix of finite numbers: {codes.dtype}, shape {codes.shape}", file, _HINT
        )
    ids = [image_stem(name) for name in _texts(content["ids"], file)]
    _check_counts(codes, ids, file)
    doubled_ids = pd.Series(ids, dtype=object)
    doubled_ids = doubled_ids[doubled_ids.duplicated()]
    if len(doubled_ids):
        raise InputError(f"image '{doubled_ids.iloc[0]}' stands twice in ids", file, _HINT)
    return codes.astype(np.float64), ids


def _texts(ids: Any, file: Path) -> list[str]:
    """Names from a cell array of texts, or from a matrix of characters, a row each."""
    names = [ids] if isinstance(ids, str) else np.asarray(ids, object).ravel(order="F").tolist()
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"ids hold something that is no text: {str(name)[:60]}", file, _HINT)
    return [name.strip() for name in names]


def _check_counts(codes: NDArray[Any], ids: Sequence[str], where: Path) -> None:
    rows = np.asarray(codes).shape[0] if np.asarray(codes).ndim == 2 else -1
    if rows != len(ids):
        raise InputError(
            f"{rows} rows of codes but {len(ids)} image ids", where, "each image has one row of codes"
        )


def _block_and_thread(file: Path, ids: Sequence[str]) -> tuple[int, int]:
    match = CODE_FILE.fullmatch(file.name)
    assert match is not None
    block, thread = int(match[1]), int(match[2])
    names = [parse_image_name(name) for name in ids]
    named_in_ids = {(name.block, name.thread) for name in names if name is not None and not name.reference}
    if len(named_in_ids) != 1 or None in names:
        return block, thread
    by_ids = named_in_ids.pop()
    if by_ids[1] != thread:
        raise InputError(
            f"the file is of thread {thread}, its image ids are of thread {by_ids[1]}", file, _HINT
        )
    return by_ids


def attach_latents(log: pd.DataFrame, codes: Mapping[tuple[int, int], Any]) -> pd.DataFrame:
    """Fill `latent_row` of a log from the image ids of the codes.

    Parameters
    ----------
    log : pandas.DataFrame
        `LOG`.
    codes : mapping
        Of `read_codes`.

    Returns
    -------
    pandas.DataFrame
        The log; rows of references and of unknown thread keep -1.

    Raises
    ------
    InputError
        A block and thread of the log has no codes, or another number of rows
        than images; or the log names another row of an image than its id has.
        Of the last block fewer images may have been shown: a session can end
        in the middle of it.
    """
    log = log.copy()
    generated = ~log["reference"].to_numpy(bool) & (log["thread"].to_numpy() >= 0)
    last_block = int(log.loc[generated, "block"].max()) if generated.any() else -1
    pairs = sorted({(int(b), int(t)) for b, t in zip(log["block"], log["thread"], strict=True)})
    for block, thread in pairs:
        rows = log[generated & (log["block"] == block) & (log["thread"] == thread)]
        if rows.empty:
            continue
        where = f"block {block}, thread {thread}"
        if (block, thread) not in codes:
            raise InputError(
                f"no codes for {rows['image'].nunique()} images of the log",
                where,
                "add the block's code file",
            )
        row_of = {name: row for row, name in enumerate(codes[block, thread][1])}
        unknown = [name for name in rows["image"].unique() if name not in row_of]
        n_images = rows["image"].nunique()
        if unknown or (n_images != len(row_of) and block != last_block):
            first_unknown = f"; the first image without a row is '{unknown[0]}'" if unknown else ""
            raise InputError(
                f"{len(row_of)} rows of codes but {n_images} images in the log{first_unknown}",
                where,
                "give the latents and the log of one session",
            )
        check_latent_rows(rows, row_of, where)
        log.loc[rows.index, "latent_row"] = rows["image"].map(row_of).astype("int64")
    return log


def check_images(log: pd.DataFrame, folder: str | PathLike[str]) -> None:
    """Raise an InputError unless `folder` holds every image of the log, once.

    Images may lie in subfolders, and names may begin with these
    (`distinct_names`). Rows without an image name are ignored.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("the folder of images does not exist", folder, "correct the path in sessions.tsv")
    files = image_files(folder, IMAGE_SUFFIXES)
    names = [name for name in log["image"].unique() if name]
    missing = [name for name in names if name not in files]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(names)} images are missing, the first is '{missing[0]}'",
            folder,
            "copy all images that were shown into the folder",
        )
    twice = next((name for name in names if len(files[name]) > 1), None)
    if twice is not None:
        raise InputError(
            f"image '{twice}' stands twice",
            " and ".join(map(str, files[twice][:2])),
            "keep one of them, or write the images' folders into the log",
        )
