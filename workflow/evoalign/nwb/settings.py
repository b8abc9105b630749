"""Settings of packaging as NWB."""

from __future__ import annotations

from typing import Literal
from zoneinfo import available_timezones

from pydantic import field_validator
from rapidfuzz import process

from evoalign.recordings.settings import Recordings
from evoalign.settings import Section, setting
from evoalign.sorting.settings import Sorting

SubjectField = Literal["sex", "age", "species", "description", "weight", "strain"]


class Nwb(Section):
    """What the NWB files hold beside the analysed data, and how strictly they are checked."""

    raw: Literal["none", "link", "embed"] = setting(
        "none", "continuous data: left out, named by path and checksum, or in the file"
    )
    backend: Literal["hdf5", "zarr"] = setting(
        "hdf5", "one .nwb file a session, or a .nwb.zarr folder whose chunks are files, for object stores"
    )
    strict: bool = setting(False, "findings of the validators at BEST_PRACTICE_VIOLATION and above are fatal")
    compression: Literal["gzip", "none"] = setting(
        "gzip", "of large arrays; every reader of HDF5 and Zarr knows it"
    )
    compression_level: int = setting(3, "gzip level: higher is smaller and slower", ge=1, le=9)
    chunk_samples: int = setting(
        30_000, "samples in a chunk of continuous data: about a second is fast to browse", ge=100, le=10**6
    )
    chunk_channels: int = setting(
        32, "channels in a chunk: fewer read single channels faster, more all of them", ge=1, le=1024
    )
    description: str = setting(
        "Paired evolution of images for a visual neuron: two generative image spaces, each searched "
        "by an evolutionary algorithm driven by the neuron's evoked rate.",
        "experiment_description in the NWB files",
    )
    sex: Literal["U", "M", "F", "O"] = setting("U", "of animals that nwb.subjects does not name")
    age: str = setting(
        "P0D/", "ISO 8601 duration or range of animals that nwb.subjects does not name; 'P0D/' = unknown"
    )
    subjects: dict[str, dict[SubjectField, str]] = setting(
        {}, "animal -> sex, age, species, description, weight, strain, where these differ"
    )
    time_zone: str = setting(
        "",
        "the lab's time zone by its IANA name, as 'America/New_York': of starts without a zone, and of the "
        "column date; '' = UTC",
    )
    weights: dict[str, str] = setting({}, "space -> file of its generator's weights, whose checksum is kept")
    metrics: dict[str, str] = setting({}, "space -> image metric of its Hessian frame, as LPIPS")
    presentations: str = setting("presentations", "table of intervals in NWB files that other tools made")
    columns: dict[str, str] = setting(
        {}, "column of presentations -> its name in such a file, as 'image: stimulus_name'"
    )
    unit_columns: dict[str, str] = setting({}, "the same for the units, as 'label: quality'")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, time_zone: str) -> str:
        if time_zone and time_zone not in available_timezones():
            nearest = process.extractOne(time_zone, sorted(available_timezones()), score_cutoff=50)
            hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
            raise ValueError(f"no time zone is called '{time_zone}'{hint}")
        return time_zone

    @property
    def suffix(self) -> str:
        """End of a file's name, as DANDI wants it; the writer goes by it."""
        return {"hdf5": ".nwb", "zarr": ".nwb.zarr"}[self.backend]


class Packaging(Section):
    """What an NWB file and a dandiset are written with."""

    study: str = setting("demo", "name of the study, for titles")
    institution: str = setting("", "written into the NWB files")
    lab: str = setting("", "written into the NWB files")
    experimenter: tuple[str, ...] = setting((), "'Family, Given' each; written into the NWB files")
    species: str = setting(
        "Macaca mulatta",
        "written into the NWB files; DANDI takes some species by their URL alone: "
        "http://purl.obolibrary.org/obo/NCBITaxon_9541 is Macaca fascicularis",
    )
    recordings: Recordings = Recordings()
    sorting: Sorting = Sorting()
    nwb: Nwb = Nwb()
