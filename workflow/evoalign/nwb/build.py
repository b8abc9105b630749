"""Contents of a session -> an NWB file in memory, with ids that follow from the content."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from pynwb import NWBFile
from pynwb.file import Subject

from evoalign.nwb.artefacts import add_artefacts
from evoalign.nwb.columns import Pack
from evoalign.nwb.contents import SessionContents
from evoalign.nwb.electrodes import add_electrodes
from evoalign.nwb.envelope import add_envelope
from evoalign.nwb.metadata import add_metadata
from evoalign.nwb.raw import add_streams
from evoalign.nwb.settings import Packaging
from evoalign.nwb.spiking import add_units
from evoalign.nwb.stimuli import add_stimuli

# Root of the ids of objects: a name-based UUID is a function of names alone.
_IDS = uuid.uuid5(uuid.NAMESPACE_DNS, "evoalign.nwb")


def build(contents: SessionContents, config: Packaging, pack: Pack) -> NWBFile:
    """Return the NWB file of checked contents (see `check_contents`), not written yet.

    Identifier and object ids follow from the content, the date of creation is
    that of the recording: equal contents give equal files.
    """
    start, metadata = contents.start, contents.metadata
    areas = sorted({area for area in contents.channels["area"] if area})
    version = contents.provenance.get("version", "")
    nwb = NWBFile(
        session_description=_description(contents, areas),
        identifier=metadata.identifier or identifier(contents),
        session_start_time=start,
        timestamps_reference_time=start,
        file_create_date=[start],
        session_id=metadata.session,
        experimenter=list(config.experimenter) or None,
        institution=config.institution or None,
        lab=config.lab or None,
        experiment_description=config.nwb.description,
        keywords=sorted({"visual cortex", "closed-loop image synthesis", *areas, *metadata.spaces}),
        notes=_notes(contents),
        source_script=f"evoalign {version}".strip(),
        source_script_file_name="workflow/rules/package.smk",
        was_generated_by=[["evoalign", version]] if version else None,
    )
    nwb.subject = subject(contents, config)
    add_electrodes(nwb, contents, pack)
    add_units(nwb, contents, pack)
    add_artefacts(nwb, contents, pack)
    add_envelope(nwb, contents, config.sorting, pack)
    add_stimuli(nwb, contents, pack)
    add_metadata(nwb, contents, pack)
    add_streams(nwb, contents, config.nwb, pack)
    _name_objects(nwb)
    return nwb


def subject(contents: SessionContents, config: Packaging) -> Subject:
    """Return the animal, described by `nwb.subjects` of the configuration."""
    fields = dict(config.nwb.subjects.get(contents.subject, {}))
    return Subject(
        subject_id=contents.subject,
        species=fields.pop("species", config.species),
        sex=fields.pop("sex", config.nwb.sex),
        age=fields.pop("age", config.nwb.age),
        description=fields.pop("description", f"animal {contents.subject}"),
        **fields,
    )


def identifier(contents: SessionContents) -> str:
    """Return an identifier that follows from session and raw files, or from tables without these."""
    content: list[Any] = [contents.session, contents.subject, contents.start.isoformat()]
    if len(contents.raw_files):
        content += sorted(contents.raw_files["sha256"])
    else:
        content += [contents.spikes.to_csv(index=False), contents.presentations.to_csv(index=False)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _description(contents: SessionContents, areas: list[str]) -> str:
    parts = [f"Session {contents.session} of animal {contents.subject}"]
    if areas:
        parts.append(f"recorded in {', '.join(areas)}")
    if len(contents.presentations):
        parts.append(f"{len(contents.presentations)} image presentations")
    if contents.metadata.spaces:
        parts.append(f"evolved in the spaces {' and '.join(contents.metadata.spaces)}")
    return ", ".join(parts) + "."


def _notes(contents: SessionContents) -> str:
    lines = [f"preferred unit (channel and online unit): {contents.metadata.preferred or 'not named'}"]
    lines += [f"{key}: {value}" for key, value in sorted(contents.provenance.items())]
    return "\n".join(lines)


def _name_objects(nwb: NWBFile) -> None:
    """Give each object an id that follows from the file's identifier and the object's path."""
    for child in nwb.all_children():
        names = []
        container = child
        while container is not None:
            names.append(f"{type(container).__name__} {container.name}")
            container = container.parent
        path = "/".join(reversed(names))
        # hdmf draws a random id and offers no way to choose one.
        child._AbstractContainer__object_id = str(uuid.uuid5(_IDS, f"{nwb.identifier}/{path}"))
