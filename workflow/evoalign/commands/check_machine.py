"""Whether programs and machine are what a run needs: versions, GPU, disk, memory, hours."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from evoalign import storage
from evoalign.commands.arguments import checkout, style_file
from evoalign.commands.findings import Findings
from evoalign.commands.text import counted, megabytes, seconds
from evoalign.errors import InputError
from evoalign.sheet import Session
from evoalign.sorting.settings import DEFAULT_SORTER
from evoalign.study import Config

# Measured on the demo (docs/commands.md): results without the raw data a session, and of its raw data.
RESULTS_BYTES, RESULTS_SHARE = 20e6, 0.05
EMBEDDED_SHARE = 0.6  # of raw data in the NWB file, compressed (README, "How fast")
SORTED_BYTES_S = (
    4e6  # of raw data a second of a core, as the profile of SLURM asks for (workflow/profiles/slurm)
)
OTHER_S = 90.0  # a session's other jobs, seconds of a core; without permutations of many units
LARGEST_JOB = 4e9  # bytes of memory: rules spike_sorting and encoding
MOST_NAMED = 5  # packages that a line names


def program_findings(config: Config) -> Findings:
    """Compare what is installed with the pins, and look for sorter and style file."""
    findings = Findings()
    findings.ok(f"Python {sys.version.split()[0]}, {sys.executable}")
    lock = checkout() / "envs/requirements.lock"
    if lock.exists():
        _check_pins(lock, findings)
    else:
        findings.note(f"no file of pins at {lock}: versions are not compared")
    if not style_file(config).exists():
        findings.fail(
            InputError("the style file does not exist", config.figures.style, "correct figures.style")
        )
    if config.sorting.sorter != DEFAULT_SORTER:
        from evoalign.sorting.external import check_sorter  # loads SpikeInterface's sorters: two seconds

        with findings.caught():
            check_sorter(config.sorting.sorter, config.sorting.sorter_params)
            findings.ok(f"sorter: {config.sorting.sorter}")
    return findings


def _check_pins(lock: Path, findings: Findings) -> None:
    missing, unpinned = [], []
    lines = [line.split("#")[0].strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    for name, _, pinned in (line.partition("==") for line in lines if "==" in line):
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        # A local version, as 2.13.0+cpu, is another build of the same.
        if installed.split("+")[0] != pinned.split(";")[0].split("+")[0].strip():
            unpinned.append(f"{name} {installed} (pinned {pinned})")
    hint = f"pip install --requirement {lock}"
    if missing:
        findings.fail(InputError(f"{counted(len(missing), 'package')} missing: {_some(missing)}", lock, hint))
    if unpinned:
        findings.note(
            f"{counted(len(unpinned), 'package')} of another version than pinned: {_some(unpinned)}; {hint}"
        )
    if not missing and not unpinned:
        findings.ok("packages: as pinned")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", .." if len(names) > MOST_NAMED else "")


def machine_findings(config: Config, rows: Sequence[Session], cores: int | None) -> Findings:
    """Hold GPU, disk and memory against what the study needs, and say how long it takes.

    Parameters
    ----------
    config : Config
        Device, folder of results, what the NWB files hold.
    rows : sequence of Session
        Rows of the sample sheet; files of object storage and of the demo count not.
    cores : int or None
        Of the run; None = all.
    """
    findings = Findings()
    _check_device(config, findings)
    n_cores = cores or len(os.sched_getaffinity(0))
    sizes = [sum(_size(Path(file)) for file in row.raw if not storage.is_url(file)) for row in rows]
    _check_disk(config, sizes, findings)
    _check_memory(n_cores, config, findings)
    sorting_s = [size / SORTED_BYTES_S for size in sizes]
    core_s = sum(sorting_s) + OTHER_S * len(rows)
    longest_s = max([s + OTHER_S for s in sorting_s], default=0.0)
    findings.ok(
        f"time: about {seconds(max(core_s / n_cores, longest_s))} on {counted(n_cores, 'core')} for "
        f"{megabytes(sum(sizes))} of recordings ({seconds(core_s)} of one core); "
        f"encoding of many units takes longer{_other_sorter(config)}"
    )
    return findings


def _other_sorter(config: Config) -> str:
    """The estimate is the default sorter's; others take up to ten times as long (docs/sorting.md)."""
    return "" if config.sorting.sorter == DEFAULT_SORTER else f", and so may {config.sorting.sorter}"


def _check_device(config: Config, findings: Findings) -> None:
    import torch  # takes two seconds to load

    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = ", ".join(torch.cuda.get_device_name(index) for index in range(n_devices))
    if config.device == "cuda" and not n_devices:
        findings.fail(
            InputError(
                "PyTorch sees no GPU", "config, device: cuda", "say device: auto, or install the driver"
            )
        )
    else:
        findings.ok(f"GPU: {names or 'none'}; device: {config.device}")


def _check_disk(config: Config, sizes: Sequence[float], findings: Findings) -> None:
    folder = Path(config.results).absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        findings.fail(
            InputError("results cannot be written there", existing, "correct results, or its permissions")
        )
        return
    share = RESULTS_SHARE + (EMBEDDED_SHARE if config.nwb.raw == "embed" else 0.0)
    needed, free = len(sizes) * RESULTS_BYTES + share * sum(sizes), shutil.disk_usage(existing).free
    text = f"disk: about {megabytes(needed)} of results, {megabytes(free)} free"
    if needed > free:
        findings.fail(InputError(text, existing, "free some space, or name another folder in results"))
    else:
        findings.ok(text)


def _check_memory(n_cores: int, config: Config, findings: Findings) -> None:
    from evoalign.pipeline.process import granted_memory

    total = granted_memory()
    largest = LARGEST_JOB + 1e9 * max(0.0, config.encoding.memory_gb - 4.0)
    text = f"memory: {megabytes(total)}; the largest job takes up to {megabytes(largest)}"
    at_once = int(0.9 * total // largest)
    if at_once < 1:
        findings.fail(
            InputError(text, "this machine", "use a machine with more, or lower encoding.memory_gb")
        )
    elif at_once < n_cores:
        findings.note(f"{text}: {at_once} of these beside each other, with {counted(n_cores, 'core')}")
    else:
        findings.ok(text)


def _size(path: Path) -> float:
    if path.is_dir():
        return float(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))
    return float(path.stat().st_size) if path.exists() else 0.0
