"""Latents or features of images from tables of image -> vector, for NWB files of other tools."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.events.latent_codes import Codes

Floats = NDArray[np.float64]
LatentTable = dict[str, Floats]  # name of the image -> its vector
NO_EVOLUTION = -1  # block of codes of a session without blocks; its "threads" are the tables
_HINT = (
    "give an .npz with the arrays 'images' [image] and 'latents' [image, latent], or a .csv or .tsv whose "
    "first column is 'image' and whose others are numbers"
)


def read_latent_table(path: str | PathLike[str]) -> LatentTable:
    """Read a table of image -> vector.

    Parameters
    ----------
    path : path
        ``.npz`` with arrays ``images``, texts ``[image]``, and ``latents``, numbers ``[image, latent]``; or
        ``.csv`` or ``.tsv`` whose first column is ``image`` and whose others are numbers.

    Returns
    -------
    dict of str to ndarray, float64 [latent]
        By the image's name as in the NWB file.

    Raises
    ------
    InputError
        The file is missing or no such table, an image stands twice, or a
        vector is not finite.
    """
    path = Path(path)
    names, vectors = _read_npz(path) if path.suffix == ".npz" else _read_text(path)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.size:
        raise InputError(
            f"the vectors are no matrix of numbers: {vectors.dtype}, shape {list(vectors.shape)}", path, _HINT
        )
    if len(names) != len(vectors):
        raise InputError(f"{len(names)} images but {len(vectors)} vectors", path, _HINT)
    doubled = pd.Series(names, dtype=object)
    doubled = doubled[doubled.duplicated()]
    if len(doubled):
        raise InputError(f"image '{doubled.iloc[0]}' stands twice", path, "keep one vector for each image")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        name = names[int(np.flatnonzero(~finite)[0])]
        raise InputError(f"the vector of image '{name}' holds NaN or infinity", path, _HINT)
    return dict(zip(names, vectors.astype(np.float64), strict=True))


def _read_npz(path: Path) -> tuple[list[str], NDArray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in ("images", "latents") if name not in arrays]
            if missing:
                raise InputError(f"the file lacks the arrays {missing}", path, _HINT)
            names, vectors = np.asarray(arrays["images"]), np.asarray(arrays["latents"])
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"the table cannot be read: {error}", path, _HINT) from error
    if names.dtype.kind != "U" or names.ndim != 1:
        raise InputError(f"'images' is no list of texts: {names.dtype}", path, _HINT)
    return [str(name) for name in names], vectors


def _read_text(path: Path) -> tuple[list[str], NDArray]:
    try:
        table = pd.read_csv(
            path, sep="\t" if path.suffix == ".tsv" else ",", dtype={"image": str}, keep_default_na=False
        )
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"the table cannot be read: {error}", path, _HINT) from error
    if not len(table.columns) or table.columns[0] != "image":
        raise InputError(f"the first column is '{''.join(table.columns[:1])}', not 'image'", path, _HINT)
    vectors = table.drop(columns="image")
    for column in vectors if len(table) else ():
        if vectors[column].dtype.kind not in "fiu":
            text = next((c for c in vectors[column] if not _is_number(c)), "")
            raise InputError(f"'{text}' is no number", f"{path}, column {column}", _HINT)
    return table["image"].tolist(), vectors.astype(np.float64).to_numpy()


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True


def names_of_spaces(paths: Sequence[str], spaces: Sequence[str]) -> tuple[str, ...]:
    """Name the space of each table: as the sample sheet does, or else as its file."""
    return tuple(spaces[k] if k < len(spaces) else Path(path).stem for k, path in enumerate(paths))


def with_latents(
    presentations: pd.DataFrame, paths: Sequence[str], spaces: Sequence[str]
) -> tuple[pd.DataFrame, Codes]:
    """Give presentations the latents of their images.

    Parameters
    ----------
    presentations : pandas.DataFrame
        `PRESENTATIONS` of a file of another tool.
    paths : sequence of str
        One table for all images; or two: of an evolution that of thread 0 and
        that of thread 1, else two tables of features of the same images.
    spaces : sequence of str
        Names of the tables' spaces, of `names_of_spaces`.

    Returns
    -------
    presentations : pandas.DataFrame
        `latent_row` filled where the image has a vector, -1 elsewhere, and
        the `space` of threads where it was unknown.
    codes : dict of (int, int) to (ndarray, list of str)
        (block, thread) -> float64 ``[image, latent]`` and names. Of a session
        without blocks and threads: (-1, number of the table), each with the
        same images, those of which all tables hold a vector.

    Raises
    ------
    InputError
        A table cannot be read, or holds none of the images.
    """
    latent_tables = [read_latent_table(path) for path in paths]
    frame = presentations.assign(latent_row=-1)
    in_thread = (frame["block"] >= 0) & frame["thread"].isin((0, 1))
    if not in_thread.any():
        return _without_threads(frame, latent_tables, paths)
    codes: Codes = {}
    for thread in (0, 1):
        number = min(thread, len(paths) - 1)
        of_thread = in_thread & (frame["thread"] == thread)
        frame.loc[of_thread & (frame["space"] == ""), "space"] = spaces[min(thread, len(spaces) - 1)]
        for block in sorted(frame.loc[of_thread, "block"].unique().tolist()):
            rows = of_thread & (frame["block"] == block)
            images = frame.loc[rows, "image"]
            names = [name for name in dict.fromkeys(images) if name in latent_tables[number]]
            if names:
                codes[block, thread] = np.stack([latent_tables[number][name] for name in names]), names
                frame.loc[rows, "latent_row"] = _rows_of(images, names)
        if of_thread.any() and not any(key[1] == thread for key in codes):
            raise _no_image(frame.loc[of_thread, "image"], latent_tables[number], paths[number])
    return frame, dict(sorted(codes.items()))


def _without_threads(
    frame: pd.DataFrame, latent_tables: list[LatentTable], paths: Sequence[str]
) -> tuple[pd.DataFrame, Codes]:
    images = [name for name in dict.fromkeys(frame["image"]) if name]
    for table, path in zip(latent_tables, paths, strict=True):
        if not any(name in table for name in images):
            raise _no_image(frame["image"], table, path)
    names = [name for name in images if all(name in table for table in latent_tables)]
    if not names:
        raise InputError("no image has a vector in both tables", " and ".join(map(str, paths)), _HINT)
    codes = {
        (NO_EVOLUTION, number): (np.stack([table[name] for name in names]), names)
        for number, table in enumerate(latent_tables)
    }
    return frame.assign(latent_row=_rows_of(frame["image"], names)), codes


def _rows_of(images: pd.Series, names: list[str]) -> NDArray[np.int64]:
    row_of = {name: row for row, name in enumerate(names)}
    return np.array([row_of.get(image, -1) for image in images], np.int64)


def _no_image(images: pd.Series, table: LatentTable, path: str) -> InputError:
    return InputError(
        f"the table holds none of the {images.nunique()} images of the session: '{next(iter(table))}' and "
        f"others, where the file shows '{images.iloc[0]}' and others",
        path,
        "name the images as the NWB file does",
    )
