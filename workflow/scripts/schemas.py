"""Export from the typed models: JSON schemas, and the text of a default config.yaml.

`python workflow/scripts/schemas.py` writes workflow/schemas; with `--config`
it prints the default configuration, every setting with its reason.
"""

import json
import sys
from pathlib import Path

import yaml
from pydantic import BaseModel

from evoalign.sheet import Session
from evoalign.study import ORDER, Config, json_schema

FOLDER = Path(__file__).parents[1] / "schemas"


def schema_text(model: type[BaseModel]) -> str:
    return yaml.safe_dump(json_schema(model), sort_keys=False, allow_unicode=True, width=110)


def config_text(section: BaseModel, indent: str = "") -> str:
    """Default values as YAML, each with its description as a comment."""
    lines = []
    fields = type(section).model_fields
    for name in ORDER if isinstance(section, Config) else fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            title = (type(value).__doc__ or "").strip().splitlines()[0]
            lines += ["", f"{indent}# {title}", f"{indent}{name}:", config_text(value, indent + "  ")]
        else:
            # JSON is YAML, and keeps each knob on one line.
            shown = json.dumps(json.loads(section.model_dump_json(include={name}))[name], ensure_ascii=False)
            lines.append(f"{indent}{name}: {shown} # {fields[name].description}")
    return "\n".join(lines)


if __name__ == "__main__":
    if "--config" in sys.argv:
        print("# Every setting of the pipeline, with its unit at the end of its name and its reason.")
        print(config_text(Config()))
    else:
        for name, model in {"config": Config, "sessions": Session}.items():
            (FOLDER / f"{name}.schema.yaml").write_text(schema_text(model), encoding="utf-8")
