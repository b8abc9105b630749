"""Export from the typed models: JSON schemas, and the text of a default config.yaml.

`python workflow/scripts/schemas.py` writes workflow/schemas; with `--config`
it prints the default configuration, every setting with its reason.
"""

import sys
from pathlib import Path

import yaml
from pydantic import BaseModel

from evoalign.sheet import Session
from evoalign.study import Config, config_text, json_schema

FOLDER = Path(__file__).parents[1] / "schemas"


def schema_text(model: type[BaseModel]) -> str:
    return yaml.safe_dump(json_schema(model), sort_keys=False, allow_unicode=True, width=110)


if __name__ == "__main__":
    if "--config" in sys.argv:
        print(config_text(Config()))
    else:
        for name, model in {"config": Config, "sessions": Session}.items():
            (FOLDER / f"{name}.schema.yaml").write_text(schema_text(model), encoding="utf-8")
