"""What a job takes: time, processor, memory, GPU, and the machine that it runs on."""

from __future__ import annotations

import datetime as dt
import os
import platform
import resource
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict

# There where a driver of NVIDIA is: elsewhere its library need not be looked for.
DRIVER = Path("/dev/nvidiactl")


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Host(_Told):
    """The machine of a job: memory in GB of 1e9 bytes, logical cores."""

    name: str
    cpu: str
    cores: int
    memory_gb: float
    system: str


class Gpu(_Told):
    """A GPU that a job has used: peak of its own memory, and energy of the whole GPU meanwhile.

    `energy_j` is None where the GPU has no counter of energy, or it could not be read.
    """

    name: str
    memory_mb: float
    energy_j: float | None


class Usage(_Told):
    """What a job took.

    Attributes
    ----------
    started, ended : datetime.datetime
        In UTC, from the start of its process.
    wall_s, cpu_s : float
        Elapsed time; user and system time of the process and its ended children, s.
    memory_mb : float
        Largest resident memory of the process, or of the largest of its children, MB of 1e6 bytes.
    gpus : tuple of Gpu
        Those on which the process has put anything.
    host : Host
        Where it ran.
    slurm_job : str
        SLURM's number of the job; '' elsewhere.
    """

    started: dt.datetime
    ended: dt.datetime
    wall_s: float
    cpu_s: float
    memory_mb: float
    gpus: tuple[Gpu, ...]
    host: Host
    slurm_job: str


class Meter:
    """Measures this process, from its start; made early, so that it knows the GPUs' counters of energy."""

    def __init__(self) -> None:
        self._counters = energy_counters()

    def read(self) -> Usage:
        """Return what the process has taken so far."""
        started, ended = psutil.Process().create_time(), time.time()
        return Usage(
            started=dt.datetime.fromtimestamp(started, dt.UTC),
            ended=dt.datetime.fromtimestamp(ended, dt.UTC),
            wall_s=ended - started,
            cpu_s=_cpu_s(),
            memory_mb=_peak_mb(),
            gpus=_gpus(self._counters),
            host=this_host(),
            slurm_job=os.environ.get("SLURM_JOB_ID", ""),
        )


def this_host() -> Host:
    """Return what this machine is."""
    return Host(
        name=socket.gethostname(),
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        system=f"{platform.system()} {platform.release()}",
    )


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    of_process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    with suppress(OSError, StopIteration, ValueError):
        # The kernel's ru_maxrss may be that of the process which started this one: it survives `exec`.
        status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        of_process = int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return max(of_process, children) / 1e6


def energy_counters() -> dict[str, float]:
    """Return what each GPU has drawn since its driver was loaded, J by UUID; nothing without a counter.

    GPUs of NVIDIA since Volta count it themselves (``nvmlDeviceGetTotalEnergyConsumption``).
    """
    if not DRIVER.exists():
        return {}
    import pynvml

    counters: dict[str, float] = {}
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            with suppress(pynvml.NVMLError):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                counters[_text(pynvml.nvmlDeviceGetUUID(handle)).removeprefix("GPU-")] = (
                    pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
                )
        pynvml.nvmlShutdown()
    return counters


def _gpus(before: dict[str, float]) -> tuple[Gpu, ...]:
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return ()
    after = energy_counters()
    gpus = []
    for index in range(torch.cuda.device_count()):
        peak = torch.cuda.max_memory_allocated(index)
        if peak:
            about = torch.cuda.get_device_properties(index)
            uuid = str(about.uuid)
            is_counted = uuid in before and uuid in after
            gpus.append(
                Gpu(
                    name=about.name,
                    memory_mb=peak / 1e6,
                    energy_j=after[uuid] - before[uuid] if is_counted else None,
                )
            )
    return tuple(gpus)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
