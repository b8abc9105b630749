"""The whole configuration, put together from the rooms' settings.

Rules, scripts and the pipeline read it; a room takes its own sections. The JSON
schemas in ``workflow/schemas`` are exported from these models.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from evoalign.analysis.settings import AnalysisConfig
from evoalign.errors import InputError
from evoalign.events.settings import Events
from evoalign.figures.settings import Figures
from evoalign.nwb.settings import Packaging
from evoalign.responses.settings import Responses
from evoalign.settings import Section, explain, setting
from evoalign.simulate.settings import Demo, Insilico


class Provenance(Section):
    """What is told of a run, beside what it took: docs/provenance.md."""

    license: str = setting(
        "", "of the results, for the RO-Crate: a URL, as of Creative Commons; '' = none stated"
    )
    core_w: float = setting(12.0, "a busy core draws: your processor's TDP / its cores", gt=0, le=200)
    gpu_w: float = setting(200.0, "a GPU draws, where its own counter of energy is not read", gt=0, le=5000)
    pue: float = setting(
        1.67, "power usage effectiveness: what the building draws for each watt; 1 = nothing else", ge=1, le=5
    )


# As config.yaml has them: what a study is, then the stages as data flow through them.
ORDER = (
    "study",
    "sessions",
    "results",
    "device",
    "seed",
    "institution",
    "lab",
    "experimenter",
    "species",
    "recordings",
    "events",
    "sorting",
    "responses",
    "nwb",
    "analysis",
    "encoding",
    "spaces",
    "prototypes",
    "hessian",
    "insilico",
    "tuning",
    "figures",
    "provenance",
    "demo",
)


class Config(Packaging, AnalysisConfig):
    """The whole of config.yaml: the sections of the rooms, and what they share."""

    sessions: str = setting("config/sessions.tsv", "the sample sheet")
    results: str = setting("results", "folder for everything the pipeline makes")
    events: Events = Events()
    responses: Responses = Responses()
    insilico: Insilico = Insilico()
    figures: Figures = Figures()
    provenance: Provenance = Provenance()
    demo: Demo = Demo()


def load_config(path: str | PathLike[str]) -> Config:
    """Read and check config.yaml.

    Raises
    ------
    InputError
        The file is missing or no YAML, or a key is unknown (with the nearest
        valid spelling), of the wrong type or out of its range.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "correct the path of the file of settings"
        raise InputError(f"cannot read the configuration: {error.strerror}", path, hint) from error
    except UnicodeDecodeError as error:
        problem = "the configuration is not UTF-8 text"
        raise InputError(problem, f"{path}, byte {error.start}", "save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise _no_yaml(error, path) from error
    return check_config(content or {}, path)


def _no_yaml(error: yaml.YAMLError, path: Path) -> InputError:
    """Name what YAML stumbled over, and the line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        place = f"{path}, line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
        hint = "look at the indentation, quotes, brackets and colons of this line and the one before it"
        return InputError(f"no valid YAML: {error.problem}", place, hint)
    where = f"{path}, character {error.position + 1}" if isinstance(error, yaml.reader.ReaderError) else path
    reason = str(error).partition("\n")[0]
    return InputError(
        f"no valid YAML: {reason}", where, "remove the character, or save the file as UTF-8 text"
    )


def check_config(content: object, where: str | PathLike[str] = "config") -> Config:
    """Check a configuration that Snakemake has merged already; see `load_config`."""
    if not isinstance(content, dict):
        hint = "write 'key: value', a line each"
        raise InputError("the configuration is not a mapping of keys to values", where, hint)
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise explain(error, where, Config) from None


def check_generators(config: Config) -> None:
    """Refuse weights that are not there before any job starts.

    Raises
    ------
    InputError
        Naming each setting and file.
    """
    missing = {name: file for name, file in config.spaces.files.items() if not Path(file).is_file()}
    if missing:
        raise InputError(
            f"no such file: {', '.join(f'{file} ({name})' for name, file in missing.items())}",
            "config, section spaces",
            "correct the path, or get the published file: `evoalign spaces list` says which and whence",
        )


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of `Config` or `Session`, as kept in workflow/schemas."""
    return model.model_json_schema()


def config_text(config: Config) -> str:
    """Return a configuration as the text of a config.yaml, each setting with its reason as a comment."""
    title = "# Every setting of the pipeline, with its unit at the end of its name and its reason."
    return f"{title}\n{_section_text(config)}"


def _section_text(section: BaseModel, indent: str = "") -> str:
    lines = []
    fields = type(section).model_fields
    for name in ORDER if isinstance(section, Config) else fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            title = (type(value).__doc__ or "").strip().splitlines()[0]
            lines += ["", f"{indent}# {title}", f"{indent}{name}:", _section_text(value, indent + "  ")]
        else:
            # JSON is YAML, and keeps each knob on one line.
            value_text = json.dumps(
                json.loads(section.model_dump_json(include={name}))[name], ensure_ascii=False
            )
            lines.append(f"{indent}{name}: {value_text} # {fields[name].description}")
    return "\n".join(lines)
