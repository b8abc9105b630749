"""The demo study's sessions: a paired evolution closed in the loop, as raw files."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from PIL import Image
from threadpoolctl import threadpool_limits

from evoalign.errors import InputError
from evoalign.events.latent_codes import write_codes
from evoalign.files import atomic_write
from evoalign.simulate import truth
from evoalign.simulate.experiment import SPACES, Evolved, run_evolution
from evoalign.simulate.population import Population, populate
from evoalign.simulate.rawfiles import WRITERS
from evoalign.simulate.settings import Demo

Area = Literal["V1", "V4", "IT"]
Vendor = Literal["blackrock", "plexon", "intan", "open_ephys", "neuralynx"]

AREAS: tuple[Area, ...] = ("V1", "V4", "IT")
VENDORS: tuple[Vendor, ...] = ("blackrock", "plexon")
SEEDS_OF_RECORDINGS = len(AREAS) * len(VENDORS)  # seeds from here on are free for other sessions
PREFERRED_CHANNEL, PREFERRED_LETTER = 6, "a"  # fewer electrodes: the last one
PHOTODIODE = {
    "blackrock": "ainp1",
    "plexon": "AI01",
    "intan": "photodiode",
    "open_ephys": "ADC1",
    "neuralynx": "Photodiode1",
}

# Dates in the files' headers: fixed, a day a session.
_FIRST_DAY = dt.datetime(2026, 3, 2, 10, 0, tzinfo=dt.UTC)


@dataclass(frozen=True)
class DemoSession:
    """Row of the sample sheet of a demo session, known before it is simulated."""

    area: Area
    vendor: Vendor
    start: dt.datetime
    preferred: str
    photodiode: str
    spaces: tuple[str, str] = SPACES

    @property
    def session(self) -> str:
        """Name of the session."""
        return f"demo_{self.area}_{self.vendor}"

    @property
    def raw(self) -> tuple[str, ...]:
        """Suffixes of the raw files."""
        return (".nev", ".ns6") if self.vendor == "blackrock" else (".plx",)


def demo_sessions(settings: Demo) -> list[DemoSession]:
    """Return the recordings that the demo can make: three areas, each by two vendors.

    Its sample sheet names one of each area.
    """
    kinds = [(area, vendor) for area in AREAS for vendor in VENDORS]
    preferred = f"{preferred_channel(settings)}{PREFERRED_LETTER}"
    return [
        DemoSession(area, vendor, _FIRST_DAY + dt.timedelta(days=day), preferred, PHOTODIODE[vendor])
        for day, (area, vendor) in enumerate(kinds)
    ]


def session_seed(area: Area, vendor: Vendor, settings: Demo) -> int:
    """Return the seed of a session of the demo study: no two evolve alike."""
    places = [(session.area, session.vendor) for session in demo_sessions(settings)]
    return settings.seed + places.index((area, vendor))


def preferred_channel(settings: Demo) -> int:
    """Return the electrode of the unit that drives the evolution."""
    return min(PREFERRED_CHANNEL, settings.n_electrodes)


def demo_array_map(area: str, settings: Demo) -> pd.DataFrame:
    """Return the map of a demo array: channel, array, connector, area, x_um, y_um.

    Electrodes 400 µm apart in rows of eight, all in one area.
    """
    channel = np.arange(1, settings.n_electrodes + 1)
    return pd.DataFrame(
        {
            "channel": channel,
            "array": f"{area}-array",
            "connector": "A",
            "area": area,
            "x_um": 400.0 * ((channel - 1) % 8),
            "y_um": 400.0 * ((channel - 1) // 8),
        }
    )


def simulate_session(
    folder: str | PathLike[str], *, area: Area, vendor: Vendor, settings: Demo, seed: int
) -> None:
    """Simulate one paired evolution and write what a rig would have saved.

    Writes ``{name}.nev`` and ``{name}.ns6``, ``{name}.plx``, ``{name}.rhd``, or a
    folder ``{name}_open_ephys`` or ``{name}_neuralynx``, with the folder's
    name; ``log.tsv``, ``latents/``, ``images/``; and the truth, which
    only tests read, in ``truth/``. The folder appears whole or not at all, and
    its bytes depend on the arguments only.

    Parameters
    ----------
    folder : path
        The session's folder.
    area : {'V1', 'V4', 'IT'}
        Where the electrodes are.
    vendor : {'blackrock', 'plexon', 'intan', 'open_ephys', 'neuralynx'}
        Whose files to write.
    settings : Demo
        Numbers of electrodes, blocks and images, and the noise.
    seed : int
        Of everything random in the session.

    Raises
    ------
    InputError
        Unknown area or vendor.
    """
    areas = {session.area for session in demo_sessions(settings)}
    if area not in areas or vendor not in PHOTODIODE:
        raise InputError(
            f"no demo session of area '{area}' by vendor '{vendor}'",
            hint=f"areas V1, V4, IT; vendors {', '.join(PHOTODIODE)}",
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums must not depend on the number of threads
    try:
        with threadpool_limits(1):
            evolved = run_evolution(area, settings, seed)
            people = populate(evolved, area, settings, preferred_channel(settings), seed)
            with atomic_write(folder) as partial:
                _write(partial, Path(folder).name, area, vendor, settings, evolved, people, seed)
    finally:
        torch.set_num_threads(threads)


def _write(
    folder: Path,
    name: str,
    area: str,
    vendor: str,
    settings: Demo,
    evolved: Evolved,
    people: Population,
    seed: int,
) -> None:
    (folder / "images").mkdir(parents=True)
    for shown_image in {image.name: image for image in evolved.subject.shown}.values():
        Image.fromarray(shown_image.pixels).save(
            folder / "images" / f"{shown_image.name}.png", compress_level=6
        )
    (folder / "latents").mkdir()
    for g in evolved.history:
        write_codes(folder / "latents", g.block, g.thread, g.codes, g.names)
    log = evolved.rig.log()
    log.to_csv(folder / "log.tsv", sep="\t", index=False, lineterminator="\n")
    days: dict[tuple[str, str], dt.datetime] = {(s.area, s.vendor): s.start for s in demo_sessions(settings)}
    start = days.get((area, vendor), _FIRST_DAY)
    WRITERS[vendor](folder / name, evolved.rig, people, settings, start, seed)
    truth.write_truth(folder / "truth", area, vendor, settings, seed, evolved, people)
