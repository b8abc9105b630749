"""The published files of the generators: which they are, where they lie, and getting them when asked.

Nothing here runs by itself: weights are the user's to get. docs/generators.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import pooch
import requests

from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.spaces.biggan import load_biggan
from evoalign.spaces.deepsim import load_deepsim
from evoalign.spaces.interface import Space

FOLDER = "weights"


@dataclass(frozen=True)
class Published:
    """A file of weights as it is published.

    Attributes
    ----------
    generator : str
        What it is, in words.
    file : str
        Its name.
    url : str
    sha256 : str
        Checksum as told in public; '' when none is known.
    load : callable
        Path -> `Space`; refuses any other file.
    """

    generator: str
    file: str
    url: str
    sha256: str
    load: Callable[[str | PathLike[str]], Space]


PUBLISHED = {
    # Address: code of the study (Wang & Ponce 2026). No checksum is published there.
    "deepsim": Published(
        "DeePSim's fc6 generator (Dosovitskiy & Brox 2016), as converted by the study's authors",
        "upconvGAN_fc6.pt",
        "https://huggingface.co/binxu/DeePSim_DosovitskiyBrox2016/resolve/main/upconvGAN_fc6.pt",
        "",
        load_deepsim,
    ),
    # Address: pytorch-pretrained-biggan 0.1.1. Checksum: a public list of others who took the file.
    "biggan": Published(
        "BigGAN-deep-256 (Brock et al. 2019), as converted for pytorch-pretrained-biggan",
        "biggan-deep-256-pytorch_model.bin",
        "https://s3.amazonaws.com/models.huggingface.co/biggan/biggan-deep-256-pytorch_model.bin",
        "5900ef4065047e3aa0d1b66197b7f2664dceb59b27080e414ad57e203c485bc5",
        load_biggan,
    ),
}


def fetch(
    name: str, folder: str | PathLike[str] = FOLDER, url: str = "", checksum: str = "", progress: bool = False
) -> Path:
    """Download a generator's file of weights, check it, and return its path.

    A file that is there already is checked and kept. One that fails the check
    of its checksum or of its tensors is not left under its name.

    Parameters
    ----------
    name : str
        'deepsim' or 'biggan'.
    folder : path
        Where to put it; made when it is not there.
    url : str
        In place of the published address.
    checksum : str
        SHA-256 in place of the published one. Where neither is known the
        tensors alone are checked.
    progress : bool
        Show how far it is.

    Raises
    ------
    InputError
        No such generator; it cannot be downloaded, has another checksum, or is
        not its file of weights.
    """
    published = published_of(name)
    url, checksum = url or published.url, (checksum or published.sha256).lower()
    path = Path(folder) / published.file
    new = not path.exists()
    if new:
        _download(url, path, published, progress)
    try:
        found_sha256 = sha256(path)
        if checksum and found_sha256 != checksum:
            raise InputError(
                f"the file has the SHA-256 {found_sha256}, not {checksum}",
                f"{path}, from {url}" if new else path,
                "fetch it again; where its publisher has changed it, give the new one with --sha256",
            )
        published.load(path)
    except InputError:
        if new:
            path.unlink()
        raise
    return path


def _download(url: str, path: Path, published: Published, progress: bool) -> None:
    """Download to a temporary name, then to `path`."""
    pooch.get_logger().setLevel("ERROR")  # it would tell the checksum again
    try:
        pooch.retrieve(url, None, path.name, path.parent, progressbar=progress)
    except (requests.RequestException, OSError, ValueError) as error:
        raise InputError(
            f"cannot download {published.generator}: {error!s:.300}",
            url,
            f"download {published.file} by hand, put it anywhere, and name it in the config",
        ) from error


def published_of(name: str) -> Published:
    """Return a generator's published file by its name.

    Raises
    ------
    InputError
        No generator is called so.
    """
    if name not in PUBLISHED:
        raise InputError(
            f"no generator is called '{name}'", "evoalign spaces", f"known: {', '.join(PUBLISHED)}"
        )
    return PUBLISHED[name]


def config_lines(name: str, path: str | PathLike[str]) -> str:
    """Lines of the configuration that make a study use a file of weights."""
    return f'spaces:\n  {name}:\n    weights: "{path}"\n    sha256: "{sha256(path)}"'
