"""Write envs/environment.yaml (conda) with the pins of envs/requirements.lock (pip)."""

from pathlib import Path

ENVS = Path(__file__).parents[2] / "envs"
HEAD = """\
# Made from requirements.lock by `make envs`: the same pins, for users of conda.
name: evoalign
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""

if __name__ == "__main__":
    pins = (ENVS / "requirements.lock").read_text(encoding="utf-8").split()
    (ENVS / "environment.yaml").write_text(HEAD + "".join(f"      - {pin}\n" for pin in pins))
