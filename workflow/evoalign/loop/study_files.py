"""The files of a session, as the pipeline takes them: images, latents, log, and a row of sessions.tsv."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from evoalign.errors import InputError
from evoalign.events.latent_codes import write_codes
from evoalign.events.searches import Search, write_searches
from evoalign.evolution.loop import EvolutionThread, ShownImage
from evoalign.evolution.states import State
from evoalign.files import atomic_write, write_bytes_whole
from evoalign.loop.interfaces import ToShow
from evoalign.loop.png import stored_png
from evoalign.loop.settings import Evolve

STATES_KEPT = 2  # of the newest blocks: full covariances of 4,096 latents take 134 MB
IMAGES, LATENTS, STATES = "images", "latents", "state"


def write_image(folder: Path, image: ShownImage) -> ToShow:
    """Write an image as PNG, where it is not there already; return what the display needs.

    The file is whole, and on the disk after `flush_files` alone.
    """
    content = stored_png(image.pixels)
    path = folder / IMAGES / f"{image.name}.png"
    if not (path.is_file() and path.read_bytes() == content):
        write_bytes_whole(path, content)
    return ToShow(image.name, path, hashlib.sha256(content).hexdigest())


def write_images(folder: Path, images: Sequence[ShownImage]) -> dict[str, ToShow]:
    """Write images as `write_image` does, in their order; return files by name."""
    return {image.name: write_image(folder, image) for image in images}


def write_latents(folder: Path, block: int, thread: int, codes: np.ndarray, names: Sequence[str]) -> str:
    """Write ``block{BBB}_thread{TTT}_code.mat``; return the SHA-256 of the latents' bytes."""
    write_codes(folder / LATENTS, block, thread, codes, names)
    return hashlib.sha256(np.ascontiguousarray(codes, np.float64).tobytes()).hexdigest()


def write_states(folder: Path, block: int, states: Mapping[int, State]) -> None:
    """Write the optimisers' states after a block, by thread, and remove old ones."""
    arrays = {f"{thread}/{name}": value for thread, state in states.items() for name, value in state.items()}
    with atomic_write(_state_file(folder, block)) as partial, partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    if block > STATES_KEPT:
        _state_file(folder, block - STATES_KEPT).unlink(missing_ok=True)


def read_states(folder: Path, block: int) -> dict[int, dict[str, np.ndarray]]:
    """Return the optimisers' states after a block, by thread.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    path = _state_file(folder, block)
    states: dict[int, dict[str, np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as content:
            for key in content.files:
                thread, name = key.split("/", 1)
                states.setdefault(int(thread), {})[name] = content[key]
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"the state after block {block} cannot be read: {error}", path) from None
    return states


def read_references(folder: str, n_images: int, size: int) -> list[np.ndarray]:
    """Return the first images of a folder, by name, uint8 ``[size, size, 3]`` each.

    Raises
    ------
    InputError
        There are fewer, or one cannot be read.
    """
    paths = sorted(p for p in Path(folder).glob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp"))
    if len(paths) < n_images:
        raise InputError(f"{len(paths)} images, and {n_images} references are asked for", folder)
    images = []
    for path in paths[:n_images]:
        try:
            with Image.open(path) as image:
                images.append(np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)))
        except OSError as error:
            raise InputError(f"the reference image cannot be read: {error}", path) from None
    return images


def write_settings(folder: Path, settings: Evolve, threads: Sequence[EvolutionThread]) -> None:
    """Write the settings, and what proposes and makes each thread's images.

    ``evolve.yaml``, and ``searches.json`` beside the latents, which goes into the session's NWB file.
    """
    with atomic_write(folder / "evolve.yaml") as partial:
        partial.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))
    searches = {thread.number: Search(thread.search, thread.space.describe()) for thread in threads}
    write_searches(folder / LATENTS, searches)


def write_session(folder: Path, settings: Evolve, log: pd.DataFrame, raw: Sequence[str]) -> Path:
    """Write ``log.tsv`` and ``sessions.tsv``, a sample sheet of this session; return the latter.

    Parameters
    ----------
    folder : pathlib.Path
        Of the session.
    settings : Evolve
    log : pandas.DataFrame
        `LOG`.
    raw : sequence of str
        The recording's files.
    """
    with atomic_write(folder / "log.tsv") as partial:
        log.to_csv(partial, sep="\t", index=False, lineterminator="\n")
    row = {
        "session": settings.session,
        "subject": settings.subject,
        "raw": ";".join(raw),
        "log": str(folder / "log.tsv"),
        "latents": str(folder / LATENTS),
        "images": str(folder / IMAGES),
        "arrays": settings.arrays,
        "preferred": settings.preferred,
        "spaces": ";".join(thread.space for thread in settings.threads),
        "photodiode": settings.replay.photodiode or settings.recorder.photodiode,
        "optimisers": ";".join(thread.optimiser for thread in settings.threads),
    }
    path = folder / "sessions.tsv"
    with atomic_write(path) as partial:
        pd.DataFrame([row]).to_csv(partial, sep="\t", index=False, lineterminator="\n")
    return path


def _state_file(folder: Path, block: int) -> Path:
    return folder / STATES / f"block{block:03d}.npz"
