"""Where an output comes from: versions, commit, config, inputs."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

import evoalign
from evoalign.study import Config

ROOT = Path(evoalign.__file__).parent
DEPENDENCIES = (
    "numpy",
    "scipy",
    "pandas",
    "torch",
    "spikeinterface",
    "neo",
    "pynwb",
    "snakemake",
    "matplotlib",
)


def provenance(config: Config, inputs: dict[str, str]) -> dict[str, str]:
    """Return what every output states about its making.

    Parameters
    ----------
    config : Config
        The configuration, or the part of it that the output depends on; its hash is kept.
    inputs : dict of str to str
        Name of each input file and its SHA-256.

    Returns
    -------
    dict of str to str
        ``version``, ``commit``, ``python``, ``config`` (SHA-256), one entry a
        dependency and one ``input:<name>`` an input. No clock times: equal
        inputs give equal bytes.
    """
    facts = {"version": evoalign.__version__, "commit": git_commit(), "python": platform.python_version()}
    facts["config"] = config_hash(config)
    facts |= {name: importlib.metadata.version(name) for name in DEPENDENCIES}
    facts |= {f"input:{name}": digest for name, digest in sorted(inputs.items())}
    return facts


def config_hash(config: Config) -> str:
    """Return the SHA-256 of what decides the results: all but where it runs and is written."""
    content = config.model_dump(mode="json", exclude={"results", "sessions", "device"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@functools.cache
def git_commit() -> str:
    """Return the commit of the checkout, with ``+`` when it was changed; '' outside git."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        state = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")
