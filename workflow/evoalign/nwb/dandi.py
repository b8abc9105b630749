"""Files as the DANDI archive wants them: names, folders, and what its own tool says of them."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner
from pynwb import NWBFile

from evoalign.errors import InputError
from evoalign.files import atomic_write, sha256
from evoalign.nwb.objects import is_zarr
from evoalign.nwb.read import opened
from evoalign.nwb.settings import Packaging

# Findings of nwbinspector that the tool passes on: `validate` has them from nwbinspector itself.
_PASSED_ON = "NWBI."
# Of pynwb's validation, which the tool runs: its name for an error is this and "name (location): reason".
_PYNWB, _PYNWB_REASON = "pynwb.", "Failed to validate. "
_TAXON = ("http://purl.obolibrary.org/obo/ncbitaxon_", "https://purl.obolibrary.org/obo/ncbitaxon_")
# By a word of what the archive says of an upload: what helps.
_REMEDIES = {
    "species": "In config.yaml: species: http://purl.obolibrary.org/obo/NCBITaxon_9541 (this one: Macaca "
    "fascicularis), by the number of NCBI's taxonomy.",
    "fraction": "Ages are ISO 8601 durations whose fractions stand last: P4Y6M, or P4.5Y.",
    "age": "Ages are ISO 8601 durations whose fractions stand last: P4Y6M, or P4.5Y.",
}
# What a label of a file name may not hold (dandi.consts.dandi_layout_fields and its organize).
_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9-]+")


def dandi_path(path: str | PathLike[str]) -> Path:
    """Return folder and name of a file in a dandiset, as ``dandi organize`` gives them.

    Examples
    --------
    ``sub-Demo-B/sub-Demo-B_ses-V1-blackrock_ecephys+image.nwb``

    Raises
    ------
    InputError
        The file cannot be read, or names no subject.
    """
    with opened(path) as nwb:
        place = place_in_dandiset(nwb, Path(path))
    if place is None:
        raise InputError("the file names no subject", f"{path}, /general/subject", "add the subject")
    return place


def place_in_dandiset(nwb: NWBFile, path: Path) -> Path | None:
    """Folder and name of an opened file; None of one that names no subject."""
    if nwb.subject is None or not nwb.subject.subject_id:
        return None
    subject = _label(nwb.subject.subject_id)
    session = _label(nwb.session_id or path.name.partition(".nwb")[0])
    image = "+image" if nwb.stimulus_template or nwb.stimulus else ""
    suffix = ".nwb.zarr" if is_zarr(path) else ".nwb"
    return Path(f"sub-{subject}") / f"sub-{subject}_ses-{session}_ecephys{image}{suffix}"


def _label(text: str) -> str:
    return _NOT_IN_LABELS.sub("-", text).strip("-") or "unknown"


def dandi_findings(nwb: NWBFile, path: Path) -> list[tuple[str, str, str, str, str]]:
    """Return what ``dandi validate`` says of a file in a dandiset: rows of `FINDINGS`.

    The tool runs pynwb's validation of HDF5 files: rows of ``pynwb``, and each of them once more as the tool
    tells it. Nothing is downloaded, and nothing is left in the user's folders. A file
    that names no subject has no place in a dandiset, and that is its finding.

    Parameters
    ----------
    nwb, path
        The opened file (`evoalign.nwb.read.opened`), and where it lies.

    Raises
    ------
    InputError
        The tool breaks down.
    """
    place = place_in_dandiset(nwb, path)
    if place is None:
        text = "the file names no subject: it has no place in a dandiset, and dandi validate was not run"
        return [("dandi", "ERROR", "NO_SUBJECT", "/general/subject", text)]
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "dandiset" / place
        link.parent.mkdir(parents=True)
        link.symlink_to(path.resolve())
        _write_description(link.parents[1], "validation", "")
        rows = _run_dandi(link, Path(folder))
    return [row for row in rows if row[0] != "dandi"] + sorted(row for row in rows if row[0] == "dandi")


def _run_dandi(file: Path, scratch: Path) -> list[tuple[str, str, str, str, str]]:
    """Return what the tool says of a file in a dandiset, and why the archive would refuse its upload."""
    output, dandiset = scratch / "findings.json", file.parents[1]
    arguments = ["validate", "--format", "json", "--output", str(output), str(dandiset)]
    # In this process: a fork of one with threads may wait for ever for a lock that one of them held, and a
    # new one loads for three seconds.
    from evoalign.nwb import dandi_tool

    with dandi_tool.surroundings(scratch):
        ended = CliRunner().invoke(dandi_tool.main, arguments)
        # Of a Zarr folder the archive takes no metadata at upload.
        refused = "" if is_zarr(file) else _upload_refused(file)
    upload = _upload_finding(refused) if refused else []
    if output.exists():
        return [*_findings(output), *upload]
    if ended.exit_code == 0:
        return upload
    words = f"{ended.output} {ended.exception or ''}".strip()[-500:]
    raise InputError(f"dandi validate ended with {ended.exit_code}: {words}", dandiset)


def _findings(output: Path) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for finding in json.loads(output.read_text(encoding="utf-8")):
        if finding["id"].startswith(_PASSED_ON):
            continue
        object_path = "".join((finding["within_asset_paths"] or {}).values())
        location = object_path or Path(finding["path"] or "").name
        rows.append(("dandi", str(finding["severity"]), finding["id"], location, str(finding["message"])))
        if finding["origin"]["validator"] == "pynwb":
            rows.append(("pynwb", "ERROR", *_of_pynwb(finding, object_path)))
    return rows


def _of_pynwb(finding: dict[str, Any], location: str) -> tuple[str, str, str]:
    """Name, location and reason of an error of pynwb's validation; or that it broke down on the file."""
    message = str(finding["message"])
    if finding["origin"]["type"] != "VALIDATION":
        return "readable", "/", message.partition("\n")[0]
    reason = message.removeprefix(_PYNWB_REASON)
    name = finding["id"].removeprefix(_PYNWB).removesuffix(f": {reason}").removesuffix(f" ({location})")
    return name, location or "/", reason


def _upload_finding(refused: str) -> list[tuple[str, str, str, str, str]]:
    remedy = next((text for word, text in _REMEDIES.items() if word in refused.lower()), "")
    return [("dandi", "ERROR", "UPLOAD_METADATA", "/general", f"{refused} {remedy}".strip())]


def _upload_refused(file: Path) -> str:
    """Say what is wrong with the metadata that an upload takes; ``dandi validate`` does not take them."""
    from evoalign.nwb.dandi_tool import get_metadata, prepare_metadata

    try:
        metadata = get_metadata(file)
        if str(metadata.get("species", "")).lower().startswith(_TAXON):
            metadata["species"] = None  # a name by itself, which the tool would look up on the web
        prepare_metadata(metadata)
    except Exception as error:  # whatever the tool raises, the upload would
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return ""


def write_dandiset(
    files: Sequence[str | PathLike[str]], folder: str | PathLike[str], config: Packaging
) -> None:
    """Lay NWB files out as a dandiset, with a README and a description of the data.

    Files are linked where the file system allows, else copied. The folder
    appears whole or not at all.

    Parameters
    ----------
    files : sequence of path
        NWB files, each of another session.
    folder : path
        The dandiset.
    config : Packaging
        Name of the study, institution, experimenters.

    Raises
    ------
    InputError
        A file cannot be read, or two would get the same name.
    """
    places: dict[Path, Path] = {}
    for file in map(Path, files):
        target = dandi_path(file)
        if target in places:
            raise InputError(
                f"both would be {target}", f"{places[target]} and {file}", "name the sessions apart"
            )
        places[target] = file
    with atomic_write(folder) as partial:
        partial.mkdir()
        for target, file in sorted(places.items()):
            (partial / target).parent.mkdir(exist_ok=True)
            _link_or_copy(file, partial / target)
        _write_description(partial, config.study, config.nwb.description)
        (partial / "README.md").write_text(_readme(places, config), encoding="utf-8")


def _link_or_copy(file: Path, target: Path) -> None:
    if file.is_dir():
        shutil.copytree(file, target, copy_function=lambda a, b: _link_or_copy(Path(a), Path(b)))
        return
    try:
        target.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, target)


def _write_description(folder: Path, name: str, description: str) -> None:
    # The identifier is given by the archive when the dandiset is registered there.
    content = {"identifier": "DANDI:000000", "name": name, "description": description}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (folder / "dandiset.yaml").write_text(text, encoding="utf-8")


def _readme(places: dict[Path, Path], config: Packaging) -> str:
    lines = [f"# {config.study}", "", config.nwb.description, ""]
    for title, value in (("Institution", config.institution), ("Lab", config.lab)):
        lines += [f"{title}: {value}", ""] if value else []
    if config.experimenter:
        lines += [f"Experimenters: {'; '.join(config.experimenter)}", ""]
    lines += [
        "Each file is one session in Neurodata Without Borders (NWB 2), readable by pynwb, MatNWB, pynapple",
        "and SpikeInterface without extensions. In it:",
        "",
        "- `units`: sorted units, each electrode's multi-unit and units sorted online (column `kind`)",
        "- `intervals/presentations`: each image from onset to offset, with block, thread, space, latent",
        "- `stimulus`: each image once, and the order of showing",
        "- `processing/misc`: latent vectors, generators, alignment report, configuration and provenance",
        "",
        "| file | sha256 |",
        "|---|---|",
        *(f"| {place.as_posix()} | {sha256(file)} |" for place, file in sorted(places.items())),
    ]
    return "\n".join(lines) + "\n"
