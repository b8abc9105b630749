"""The files that the stages before have written -> the contents of a session."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.fixed_noise import session_noise
from evoalign.events.latent_codes import Codes, read_codes
from evoalign.events.searches import FILE as SEARCHES
from evoalign.events.searches import NAME, Search, read_searches
from evoalign.events.tables import ALIGNMENT, PRESENTATIONS
from evoalign.files import sha256
from evoalign.formats.opening import open_recording
from evoalign.nwb.contents import Pixels, SessionContents, SessionMetadata
from evoalign.nwb.images import ImageFolder
from evoalign.nwb.metadata import flat, without_folders
from evoalign.nwb.session_start import start_of
from evoalign.nwb.settings import Nwb, Packaging
from evoalign.nwb.tables import GENERATORS, RAW_FILES, described
from evoalign.recordings.stream import Stream
from evoalign.recordings.tables import CHANNELS, SEGMENTS, WORDS
from evoalign.sheet import Session
from evoalign.sorting.tables import ARTEFACTS, BAD_CHANNELS, SPIKES, UNITS, WAVEFORMS

_TABLES = tables.by_name(CHANNELS, SEGMENTS, WORDS, UNITS, SPIKES, WAVEFORMS, BAD_CHANNELS, ARTEFACTS)
# What decides where and how fast a run is, and nothing in the file.
_NOT_KEPT = {"results", "sessions", "device"}
_KEPT_PREFIX = "input:"

WeightsOf = Callable[[str], str]
_NO_WEIGHTS: WeightsOf = "".format  # '' for every space
Files = Mapping[str, str | PathLike[str] | Sequence[str]]


def assemble(
    session: Session,
    inputs: Files,
    config: Packaging,
    provenance: Mapping[str, str],
    baseline_ms: tuple[int, int],
    weights_of: WeightsOf = _NO_WEIGHTS,
) -> SessionContents:
    """Gather a session's contents from the files of the stages before.

    Parameters
    ----------
    session : Session
        Row of the sample sheet; names the folders of latents and images.
    inputs : mapping of str to path
        Tables ``channels``, ``segments``, ``words``, ``units``, ``spikes``,
        ``waveforms``, ``bad_channels``, ``artefacts``; ``descriptor`` (JSON);
        ``presentations``: the tables of presentations and alignment, or empty;
        ``envelope``: the folder of the multi-unit envelope, or empty;
        ``raw``: the raw files, read with ``nwb.raw: embed`` alone.
    config : Packaging
        Settings of the job; all of them but where it runs are kept in the file.
    provenance : mapping of str to str
        Provenance.
    baseline_ms : (int, int)
        Window from image onset in which a unit's rate must not drift over blocks.
    weights_of : callable
        From the name of a space to its generator's file of weights; '' where there is none.

    Returns
    -------
    SessionContents

    Raises
    ------
    InputError
        A file is missing or damaged; images or latents are missing; neither
        header nor sheet has the date.
    """
    # Here alone is sorting needed: loading it would take every job that reads an NWB file a second.
    from evoalign.sorting.envelope import read_envelope
    from evoalign.sorting.recorded import missing_times
    from evoalign.sorting.stability import with_stability

    session_tables = {name: tables.read(str(inputs[name]), contract) for name, contract in _TABLES.items()}
    descriptor = json.loads(Path(str(inputs["descriptor"])).read_text(encoding="utf-8"))
    presentations, alignment = _presentations(inputs.get("presentations", ()))
    units, spikes = session_tables["units"], session_tables["spikes"]
    parts = (session_tables[name] for name in ("channels", "segments", "artefacts", "spikes", "words"))
    missing = missing_times(units, *parts)
    session_tables["units"] = with_stability(units, spikes, presentations, baseline_ms, missing)
    latents = read_codes(session.latents) if session.latents else {}
    return SessionContents(
        metadata=SessionMetadata(
            session=session.session,
            subject=session.subject,
            preferred=session.preferred,
            site=session.site,
            spaces=session.spaces,
            photodiode=session.photodiode,
            unstable_baseline=session.unstable_baseline,
            recorder=str(descriptor.get("format", "")),
        ),
        start=start_of(session, descriptor.get("start"), config.nwb.time_zone),
        **session_tables,  # type: ignore[arg-type]
        presentations=presentations,
        alignment=alignment,
        generators=generators(session, presentations, latents, config.nwb, weights_of),
        raw_files=_raw_files(session, descriptor, config.nwb),
        latents=latents,
        images=_images(session, presentations),
        settings=flat(without_folders(config.model_dump(mode="json", exclude=_NOT_KEPT))),
        provenance=_provenance(provenance),
        streams=_streams(inputs.get("raw", ()), config),
        envelope=read_envelope(str(inputs["envelope"])) if inputs.get("envelope") else None,
    )


def _presentations(files: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    files = [files] if isinstance(files, str | PathLike) else list(files)
    by_name = {Path(file).stem: file for file in files}
    frames = {
        name: tables.read(by_name[name], contract) if name in by_name else tables.empty(contract)
        for name, contract in tables.by_name(PRESENTATIONS, ALIGNMENT).items()
    }
    return frames["presentations"], frames["alignment"]


def generators(
    session: Session,
    presentations: pd.DataFrame,
    latents: Codes,
    settings: Nwb,
    weights_of: WeightsOf = _NO_WEIGHTS,
) -> pd.DataFrame:
    """Return `GENERATORS`: the space of each thread of the session."""
    generated = presentations[
        (presentations["thread"] >= 0)
        & ~presentations["reference"].astype(bool)
        & (presentations["space"] != "")
    ]
    space_of = generated.groupby("thread")["space"].first()
    spaces = {**dict(enumerate(session.spaces)), **{int(t): str(s) for t, s in space_of.items()}}  # type: ignore[call-overload]
    searches = read_searches(session.latents) if session.latents else {}
    rows = [
        _with_search(
            _generator(session, thread, spaces[thread], latents, settings, weights_of), session, searches
        )
        for thread in sorted(spaces)
    ]
    if not rows:
        return tables.empty(GENERATORS)
    return tables.conform(pd.DataFrame(rows), GENERATORS)


def _generator(
    session: Session, thread: int, space: str, latents: Codes, settings: Nwb, weights_of: WeightsOf
) -> dict[str, object]:
    sizes = {codes.shape[1] for (_, t), (codes, _) in latents.items() if t == thread}
    weights = settings.weights.get(space) or weights_of(space)
    if weights and not Path(weights).exists():
        setting = f"config, nwb.weights.{space}"
        raise InputError(f"'{weights}' does not exist", setting, "correct the path")
    noise = session_noise(session.latents, thread) if session.latents else None
    return {
        "thread": thread,
        "space": space,
        "latent_dim": min(sizes, default=-1),
        "weights_sha256": sha256(weights) if weights else "",
        "metric": settings.metrics.get(space, ""),
        "fixed_noise": "" if noise is None else " ".join(map(repr, noise.tolist())),
    }


def _with_search(
    generator: dict[str, object], session: Session, searches: Mapping[int, Search]
) -> dict[str, object]:
    """Add what the closed loop tells of a thread; of another rig the optimiser that the sheet names."""
    thread = int(str(generator["thread"]))
    if thread not in searches:
        named = dict(enumerate(session.optimisers)).get(thread, "")
        return {**generator, "generator": "", "optimiser": named, "optimiser_settings": ""}
    space = searches[thread].space
    made_with = space.get("weights_sha256", "")
    if made_with and generator["weights_sha256"] not in ("", made_with):
        raise InputError(
            f"the configured weights of '{generator['space']}' are not those that made the images of "
            f"thread {thread}: SHA-256 {generator['weights_sha256']}, not {made_with}",
            f"{session.latents}, {SEARCHES}",
            "name the file of weights that the closed loop used",
        )
    settings = dict(searches[thread].optimiser)
    optimiser, noise = settings.pop(NAME), space.get("fixed_noise", "none")
    return {
        **generator,
        "weights_sha256": made_with or generator["weights_sha256"],
        "fixed_noise": generator["fixed_noise"] if noise == "none" else noise,
        "generator": described(space),
        "optimiser": optimiser,
        "optimiser_settings": described(settings),
    }


def _raw_files(session: Session, descriptor: Mapping[str, Any], settings: Nwb) -> pd.DataFrame:
    digests = descriptor.get("sha256", {})
    paths = {Path(file).name: file for file in session.raw}
    names = [paths.get(name, name) if settings.raw == "link" else name for name in digests]
    frame = pd.DataFrame({"file": names, "sha256": list(digests.values())}, dtype="str")
    return tables.conform(frame, RAW_FILES)


def _images(session: Session, presentations: pd.DataFrame) -> Mapping[str, Pixels]:
    names = sorted(name for name in presentations["image"].unique() if name)
    return ImageFolder(session.images, names) if session.images and names else {}


def _provenance(provenance: Mapping[str, str]) -> dict[str, str]:
    # Where a run lies says nothing of its content: inputs by name, not by path.
    by_file_name = {}
    for key, value in provenance.items():
        name = key.removeprefix(_KEPT_PREFIX)
        by_file_name[f"{_KEPT_PREFIX}{Path(name).name}" if name != key else key] = value
    return by_file_name


def _streams(files: Any, config: Packaging) -> dict[str, Stream]:
    if config.nwb.raw != "embed" or not files:
        return {}
    return open_recording(files, config.recordings.gap_tolerance_ms).streams
