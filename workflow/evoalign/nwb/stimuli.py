"""Presentations, images, latents and event words <-> their objects in the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hdmf.common import VectorData
from numpy.typing import NDArray
from pynwb import NWBFile
from pynwb.epoch import TimeIntervals
from pynwb.event import EventsTable, TimestampVectorData
from pynwb.image import IndexSeries

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.latent_codes import Codes
from evoalign.events.tables import PRESENTATIONS
from evoalign.nwb.columns import Pack, column_values, columns, dynamic_table, frame_of
from evoalign.nwb.contents import SessionContents
from evoalign.nwb.electrodes import module
from evoalign.nwb.images import StoredImages, image_collection
from evoalign.nwb.names import (
    EVENT_WORDS,
    HINT,
    IMAGE_COLLECTION,
    PRESENTATION_INTERVALS,
    PRESENTATIONS_IN_FILE,
    WORDS_IN_FILE,
)
from evoalign.recordings.tables import WORDS as WORDS_TABLE

LATENTS = "latents_thread"


def add_stimuli(nwb: NWBFile, contents: SessionContents, pack: Pack) -> None:
    """Add presentations, images with the order of their showing, latents and event words."""
    collection = None
    if contents.images:
        collection = image_collection(contents.images, pack)
        nwb.add_stimulus_template(collection)
    if len(contents.presentations):
        _add_presentations(nwb, contents, collection, pack)
    _add_latents(nwb, contents, pack)
    if len(contents.words):
        words = contents.words.sort_values("time_s", kind="stable")
        other_columns = columns(words, WORDS_TABLE, pack, leave_out=("time_s",))
        time = WORDS_TABLE.field("time_s").metadata[b"meaning"].decode()
        stamps = TimestampVectorData(
            name="timestamp", description=time, data=pack(words["time_s"].to_numpy(np.float64))
        )
        text = "words on the digital input of the acquisition system; codes of the task are in its log"
        nwb.add_events_table(dynamic_table(EVENT_WORDS, text, [stamps, *other_columns], EventsTable))


def _add_presentations(nwb: NWBFile, contents: SessionContents, collection: Any, pack: Pack) -> None:
    # Intervals are kept in the order of time; column `presentation` has the order of the log.
    presentations = contents.presentations.sort_values("onset_s", kind="stable", na_position="last")
    nwb_columns = columns(presentations, PRESENTATIONS, pack, rename=PRESENTATIONS_IN_FILE)
    if collection is not None:
        index = _image_index(presentations["image"], list(contents.images))
        text = "place of the image in order_of_images of the collection; -1 when it is not there"
        nwb_columns.append(VectorData(name="image_index", description=text, data=pack(index)))
        _add_order(nwb, presentations["onset_s"].to_numpy(np.float64), index, collection, pack)
    text = (
        "presentations of images, from true onset to offset; those with valid = False may not be "
        "analysed, column reason tells why"
    )
    nwb.add_time_intervals(dynamic_table(PRESENTATION_INTERVALS, text, nwb_columns, TimeIntervals))


def _image_index(names: pd.Series, images: list[str]) -> NDArray[np.int64]:
    index_of = pd.Series(np.arange(len(images)), index=images)
    return index_of.reindex(names).fillna(-1).to_numpy(np.int64)


def _add_order(
    nwb: NWBFile, onset_s: NDArray[np.float64], index: NDArray[np.int64], collection: Any, pack: Pack
) -> None:
    is_shown = np.isfinite(onset_s) & (index >= 0)
    if is_shown.any():
        order = IndexSeries(
            name="presented_images",
            description="which image was shown when; the same as column image_index of the presentations",
            data=pack(index[is_shown].astype(np.uint32)),
            indexed_images=collection,
            timestamps=pack(onset_s[is_shown]),
            unit="N/A",
        )
        nwb.add_stimulus(order)


def _add_latents(nwb: NWBFile, contents: SessionContents, pack: Pack) -> None:
    for thread in sorted({thread for _, thread in contents.latents}):
        blocks = [(b, *contents.latents[b, t]) for b, t in sorted(contents.latents) if t == thread]
        sizes = sorted({codes.shape[1] for _, codes, _ in blocks})
        if len(sizes) > 1:
            location = f"session {contents.session}, thread {thread}"
            raise InputError(
                f"latents of several dimensions: {sizes}", location, "give the latents of one session"
            )
        latent = np.concatenate([codes for _, codes, _ in blocks]).astype(np.float64)
        block = np.concatenate([np.full(len(ids), b) for b, _, ids in blocks])
        row = np.concatenate([np.arange(len(ids)) for _, _, ids in blocks])
        if not len(latent):
            continue
        nwb_columns = [
            VectorData(name="block", description="block (= generation) from 1", data=pack(block)),
            VectorData(name="latent_row", description="row in the code matrix of the block", data=pack(row)),
            VectorData(name="image", description="image name", data=[i for *_, ids in blocks for i in ids]),
            VectorData(name="latent", description="latent vector of the image", data=pack(latent)),
        ]
        text = f"latent vectors of the images of thread {thread}; its space is in table generators"
        module(nwb, "misc").add(dynamic_table(f"{LATENTS}{thread:03d}", text, nwb_columns))


def read_stimuli(nwb: NWBFile, path: str) -> dict[str, Any]:
    """Return presentations, words, latents and images of a file written by `add_stimuli`."""
    return {
        "presentations": _read_presentations(nwb, path),
        "words": _read_words(nwb, path),
        "latents": _read_latents(nwb, path),
        "images": read_images(nwb, path),
    }


def _read_presentations(nwb: NWBFile, path: str) -> pd.DataFrame:
    if PRESENTATION_INTERVALS not in (nwb.intervals or {}):
        return tables.empty(PRESENTATIONS)
    location = f"{path}, /intervals/{PRESENTATION_INTERVALS}"
    frame = frame_of(
        nwb.intervals[PRESENTATION_INTERVALS], PRESENTATIONS, location, rename=PRESENTATIONS_IN_FILE
    )
    return frame.sort_values("presentation", kind="stable", ignore_index=True)


def _read_words(nwb: NWBFile, path: str) -> pd.DataFrame:
    if EVENT_WORDS not in (nwb.events or {}):
        return tables.empty(WORDS_TABLE)
    return frame_of(
        nwb.events[EVENT_WORDS], WORDS_TABLE, f"{path}, /events/{EVENT_WORDS}", rename=WORDS_IN_FILE
    )


def _read_latents(nwb: NWBFile, path: str) -> Codes:
    latents: Codes = {}
    interfaces = nwb.processing["misc"].data_interfaces if "misc" in nwb.processing else {}
    for name in sorted(interfaces):
        if not name.startswith(LATENTS):
            continue
        location = f"{path}, /processing/misc/{name}"
        block, vectors, image = (
            column_values(interfaces[name], c, location) for c in ("block", "latent", "image")
        )
        if not name.removeprefix(LATENTS).isdigit() or vectors.ndim != 2:
            raise InputError(f"latents of shape {vectors.shape}", f"{location}/latent", HINT)
        thread = int(name.removeprefix(LATENTS))
        for number in np.unique(block):
            rows = np.flatnonzero(block == number)
            latents[int(number), thread] = (vectors[rows].astype(np.float64), [image[row] for row in rows])
    return dict(sorted(latents.items()))


def read_images(nwb: NWBFile, path: str) -> StoredImages | dict[str, Any]:
    """Return the file's images by name, in their order; empty where it has none."""
    if IMAGE_COLLECTION not in (nwb.stimulus_template or {}):
        return {}
    location = f"{path}, /stimulus/templates/{IMAGE_COLLECTION}"
    try:
        order = nwb.stimulus_template[IMAGE_COLLECTION].order_of_images
        names = [image.name for image in order.data[:]]
    except Exception as error:  # HDF5 raises almost anything on damaged bytes
        raise InputError(f"the order of images cannot be read: {error}", location, HINT) from error
    return StoredImages(path, f"/stimulus/templates/{IMAGE_COLLECTION}", names)
