"""What `evoalign evolve` is told: one YAML file a session."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from evoalign.errors import InputError
from evoalign.insilico.module_unit import IMAGENET_MEAN, IMAGENET_SCALE
from evoalign.settings import Section, explain, setting


class ThreadSettings(Section):
    """One of the two searches."""

    space: str = Field(description="name of the image space, as in column spaces of sessions.tsv")
    optimiser: Literal[
        "cma", "separable", "cholesky", "eigenframe", "concatenated", "zoha", "gradient", "random"
    ] = setting("cma", "how the next images are chosen (docs/loop.md)")
    eigenframe: str = setting("", "file of the space's eigenframe (.npz), for optimiser 'eigenframe'")
    images: int = setting(0, "generated images a block; 0 = the study's 4 + floor(3 log2 N)", ge=0, le=1000)
    sigma: float = setting(0.0, "first step, in units of the latents; 0 = the space's own", ge=0)

    @field_validator("images")
    @classmethod
    def _enough(cls, images: int) -> int:
        if images in (1, 2, 3):
            raise ValueError("an optimiser needs 4 images or more, or 0 for the study's number")
        return images


class DisplaySettings(Section):
    """How images reach the screen."""

    transport: Literal["simulated", "zeromq", "lines"] = setting(
        "simulated", "'simulated': a rig inside this process; 'zeromq', 'lines': clients of docs/loop.md"
    )
    address: str = setting("tcp://127.0.0.1:5577", "where the display's client connects")
    loopback_only: bool = setting(True, "refuse an address that other machines can reach")


class RecorderSettings(Section):
    """Where spikes and event words come from."""

    source: Literal["model", "cerebus", "plexon"] = setting(
        "model", "'model': a simulated unit; 'cerebus': Blackrock, by pycbsdk; 'plexon': plexon_sender.py"
    )
    address: str = setting(
        "192.168.137.128:51001", "of the NSP, or of the computer on which plexon_sender.py runs"
    )
    local_address: str = setting("0.0.0.0:51002", "of this computer, to which the NSP sends; cerebus alone")
    protocol: Literal["3.11", "4.0", "4.1", "4.2"] = setting("4.1", "of the NSP's firmware; cerebus alone")
    photodiode: str = setting(
        "", "name or number of the photodiode's analog input; needs raw; '' = event words"
    )
    late_ms: float = setting(50.0, "wait so long for spikes that are late at a round's end", ge=0, le=10_000)
    timeout_s: float = setting(5.0, "a round whose last event word does not come ends after this", gt=0)
    raw: tuple[str, ...] = setting(
        (), "files that the acquisition system saves, for sessions.tsv; none = a .nev of what came"
    )

    @model_validator(mode="after")
    def _photodiode_is_saved(self) -> RecorderSettings:
        if self.photodiode and self.source == "model":
            raise ValueError("a photodiode is taken in from a Cerebus or Plexon, not from a model")
        if self.photodiode and not self.raw:
            raise ValueError(
                "with a photodiode, name the files in raw: the .nev that the loop writes has none"
            )
        return self


class ReplaySettings(Section):
    """A recorded session in the place of display and subject."""

    raw: tuple[str, ...] = setting((), "raw files of one recording, or an NWB file; none = no replay")
    log: str = setting("", "its stimulus log")
    photodiode: str = setting("", "name or number of the photodiode's analog channel; '' = none")
    speed: float = setting(0.0, "seconds of the recording in a second; 0 = without waiting", ge=0)


class ModelSettings(Section):
    """A simulated subject: one unit, of the model ventral stream, of a network or of a table."""

    kind: Literal["ventral", "network", "table"] = setting(
        "ventral", "'ventral': the model ventral stream; 'network': a unit of a torch module; 'table': stored"
    )
    module: str = setting("", "import path of a network, as package.module:function")
    arguments: dict[str, str | int | float | bool] = setting({}, "of that function")
    weights: str = setting("", "file of the network's state; '' = as the function makes it")
    layer: str = setting("", "name of its layer, as in named_modules()")
    unit: int = setting(0, "channel of the layer, from 0; of a map, at its centre", ge=0)
    px: int = setting(224, "height and width of the images that it sees; 0 = as they are shown", ge=0)
    mean: tuple[float, float, float] = setting(IMAGENET_MEAN, "of red, green, blue, taken off the image")
    scale: tuple[float, float, float] = setting(IMAGENET_SCALE, "that the image is then divided by")
    table: str = setting("", "stored responses: tab-separated, with the columns image and rate_hz")
    area: Literal["V1", "V4", "IT"] = setting("IT", "whose tuning and dynamics the unit has")
    drift_ppm: float = setting(20.0, "the recording's clock runs fast by this", ge=-500, le=500)


class PageSettings(Section):
    """The operator's page in a browser."""

    address: str = setting("", "host and port, as 127.0.0.1:8077; port 0 takes a free one; '' = no page")
    token: str = setting("", "password of the page; needed when other machines can reach the address")


class Evolve(Section):
    """One paired evolution."""

    session: str = Field(description="name of the session", pattern=r"^[A-Za-z0-9_-]+$")
    subject: str = Field(description="name of the animal", min_length=1)
    folder: str = Field(description="where everything is written", min_length=1)
    study: str = setting("", "the study's config.yaml: windows, smoothing, words, weights; '' = the defaults")
    seed: int = setting(1, "of founders, optimisers and orders", ge=0)
    n_blocks: int = setting(30, "blocks (= generations)", ge=1, le=10_000)
    threads: tuple[ThreadSettings, ThreadSettings] = Field(description="thread 0 and thread 1")
    references: int = setting(2, "natural reference images a thread, shown in every block", ge=0, le=100)
    reference_folder: str = setting("", "images to take them from, by name; '' = simulated ones")
    preferred: str = Field("1a", description="channel and online unit letter", pattern=r"^\d+[a-z]$")
    arrays: str = setting("", "array map of the recording, for sessions.tsv")
    display: DisplaySettings = DisplaySettings()
    model: ModelSettings = ModelSettings()
    recorder: RecorderSettings = RecorderSettings()
    replay: ReplaySettings = ReplaySettings()
    page: PageSettings = PageSettings()
    artefact_hz: float = setting(
        400.0, "a presentation with this rate, evoked or before the answer, does not count; 0 = all do", ge=0
    )
    max_rounds: int = setting(
        3, "how often images without a valid presentation are shown again in their block", ge=1, le=20
    )
    min_free_mb: float = setting(200.0, "less room on the disk: no further block is begun", ge=0)

    @property
    def channel(self) -> int:
        """Channel of the preferred unit."""
        return int(self.preferred[:-1])

    @property
    def unit(self) -> int:
        """Online unit of the preferred unit: a = 1, b = 2, .."""
        return ord(self.preferred[-1]) - ord("a") + 1


def load_evolve(path: str | PathLike[str]) -> Evolve:
    """Read and check the settings of an evolution.

    Parameters
    ----------
    path : path
        YAML. Relative paths in it start from the folder in which the command runs.

    Raises
    ------
    InputError
        Not readable, no mapping, or a key is unknown or out of its bounds.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"the settings cannot be read: {error}", path) from None
    if not isinstance(content, dict):
        raise InputError("the settings are no mapping of keys to values", path, "see docs/loop.md")
    try:
        return Evolve.model_validate(content)
    except ValidationError as error:
        raise explain(error, path, Evolve) from None
