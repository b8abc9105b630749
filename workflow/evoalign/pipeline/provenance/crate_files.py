"""Files and folders as entities of a run crate: by their place in it, or by their content."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from evoalign.files import sha256

MEDIA_TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".nc": "application/netcdf",
    ".nwb": "application/x-hdf5",
    ".html": "text/html",
    ".json": "application/json",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
}


def content_uri(digest: str) -> str:
    """Return the name of a file by its content: RFC 6920, ``ni:///sha-256;`` and base64url."""
    return f"ni:///sha-256;{base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip('=')}"


def local_id(identifier: str) -> str:
    """Return an identifier within the crate, ``#..``, as a URI may hold it."""
    return quote(identifier, safe="#,/")


class CrateFiles:
    """The files of a crate, each added when it is first asked for.

    Parameters
    ----------
    crate : rocrate.rocrate.ROCrate
        Gets the entities.
    root, copied : pathlib.Path
        Folder of the results; in it, from there, the copy of the workflow.
    sums : mapping of str to str
        SHA-256 of files and folders.
    """

    def __init__(self, crate: ROCrate, root: Path, copied: Path, sums: Mapping[str, str]) -> None:
        self.crate, self.root, self.copied, self.sums = crate, root, copied, sums
        self._known: dict[str, Entity] = {}

    def entity(self, file: str | PathLike[str]) -> Entity:
        """A file or folder, once: by its place in the crate, or by its content."""
        path = Path(file)
        if str(path) not in self._known:
            inside = path.is_relative_to(self.root)
            self._known[str(path)] = self._inside(path) if inside else self._outside(path)
        return self._known[str(path)]

    def _inside(self, path: Path) -> Entity:
        place = path.relative_to(self.root)
        digest = self.sums.get(str(path), "")
        if path.is_dir():
            facts = {"name": place.as_posix()} | ({"sha256": digest} if digest else {})
            return self.crate.add_dataset(path, dest_path=place, properties=facts)
        if not digest and self.copied in place.parents:
            digest = sha256(path)
        return self.crate.add_file(path, dest_path=place, properties=_facts(path, place.as_posix(), digest))

    def _outside(self, path: Path) -> Entity:
        digest = self.sums.get(str(path), "")
        if path.is_dir() or not digest:
            kind = "Collection" if path.is_dir() else "CreativeWork"
            facts = {"@type": kind, "name": path.name, "alternateName": str(path)}
            facts |= {"sha256": digest} if digest else {}
            return self.crate.add(ContextEntity(self.crate, local_id(f"#{path.as_posix()}"), facts))
        uri = content_uri(digest)
        same = self.crate.get(uri)
        if same is not None:
            same.append_to("alternateName", str(path))
            return same
        facts = _facts(path, path.name, digest) | {"alternateName": str(path)}
        return self.crate.add_file(uri, properties=facts)


def _facts(path: Path, name: str, digest: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": name}
    if path.exists():
        facts["contentSize"] = str(path.stat().st_size)
    if digest:
        facts["sha256"] = digest
    if path.suffix in MEDIA_TYPES:
        facts["encodingFormat"] = MEDIA_TYPES[path.suffix]
    return facts
