"""Names of images whose files share a name: as many folders as tell them apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from evoalign.errors import InputError
from evoalign.events.names import image_stem, parse_image_name

Place = tuple[str, ...]  # folders from the outermost, as they are compared

IMAGE_SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".gif")

_SEPARATOR = re.compile(r"[\\/]")


def distinct_names(paths: Iterable[str], pattern: str = "", where: str | PathLike[str] = "") -> list[str]:
    r"""Name images as briefly as their paths allow: ``1``, or ``faces_1`` beside ``places_1``.

    A name is the file's, without suffix; case counts. Where files of several
    folders share it, as many folders are set before it as tell them apart. A
    path without folders is taken as that of the only file of its name. Names of
    the study's convention (or of `pattern`) are unique by themselves.

    Parameters
    ----------
    paths : iterable of str
        As the task wrote them, with ``/`` or ``\``; '' stays ''.
    pattern : str
        As for `parse_image_name`.
    where : path
        The log, for messages.

    Raises
    ------
    InputError
        Files of one folder differ in their suffix alone, a path could mean
        several files, or a name with its folder is that of another file.

    Examples
    --------
    >>> distinct_names(["faces/1.jpg", "places/1.jpg", "animals/cat.png"])
    ['faces_1', 'places_1', 'cat']
    """
    listed = [path.strip() for path in paths]
    places: dict[str, dict[Place, str]] = {}
    for path in dict.fromkeys(listed):
        first_path = places.setdefault(image_stem(path), {}).setdefault(_place(path), path)
        if _suffix(first_path) and _suffix(path) and _suffix(first_path) != _suffix(path):
            raise InputError(
                f"images '{first_path}' and '{path}' differ in their suffix alone",
                where,
                "give each image a name of its own",
            )
    name_of: dict[tuple[str, Place], str] = {}
    for stem, paths_of in places.items():
        unique = parse_image_name(stem, pattern) is not None
        depth = 0 if unique else _folders_that_tell_apart(paths_of, where)
        for place, path in paths_of.items():
            name_of[stem, place] = "_".join((*_folders(path)[len(_folders(path)) - depth :], stem))
    _check_taken(name_of, where)
    return [name_of[image_stem(path), _place(path)] for path in listed]


def image_files(folder: str | PathLike[str], suffixes: Iterable[str]) -> dict[str, list[Path]]:
    """Return the image files of a folder and those in it by each name that `distinct_names` can give them."""
    files: dict[str, list[Path]] = {}
    for file in sorted(Path(folder).rglob("*")):
        if file.suffix.lower() in suffixes:
            folders = file.relative_to(folder).parts[:-1]
            for depth in range(len(folders) + 1):
                name = "_".join((*folders[len(folders) - depth :], file.stem))
                files.setdefault(name, []).append(file)
    return files


def _folders(path: str) -> list[str]:
    return [part for part in _SEPARATOR.split(path) if part not in ("", ".")][:-1]


def _place(path: str) -> Place:
    """Folders of a path as they are compared: Windows does not tell upper from lower case."""
    return tuple(folder.lower() if "\\" in path else folder for folder in _folders(path))


def _suffix(path: str) -> str:
    return path[len(path) - (len(_SEPARATOR.split(path)[-1]) - len(image_stem(path))) :].lower()


def _folders_that_tell_apart(paths_of: dict[Place, str], where: str | PathLike[str]) -> int:
    """Number of folders before the file's name that tell the files apart."""
    in_folders = {place for place in paths_of if place}
    if len(in_folders) > 1 and () in paths_of:
        raise InputError(
            f"'{paths_of[()]}' could be any of {len(in_folders)} images, as '{paths_of[min(in_folders)]}'",
            where,
            "write each image with its folder",
        )
    depth = 0
    while len({place[max(len(place) - depth, 0) :] for place in in_folders}) < len(in_folders):
        depth += 1
    return depth


def _check_taken(name_of: dict[tuple[str, Place], str], where: str | PathLike[str]) -> None:
    stem_of: dict[str, str] = {}
    for (stem, _), name in name_of.items():
        if stem_of.setdefault(name, stem) != stem:
            text = f"images '{stem_of[name]}' and '{stem}' of two folders would both be called '{name}'"
            raise InputError(text, where, "rename one of them")
