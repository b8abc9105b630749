"""The process of a job: how it runs a script; it ends with its run and removes its temporary files."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

# Names the process for whose sake a job runs, in the environment of the job.
RUN = "EVOALIGN_RUN"
# A scratch folder younger than this may not have been locked by its process yet.
YOUNG_S = 60.0
# Where NVIDIA's driver tells of its GPUs, a folder each.
DRIVER = Path("/proc/driver/nvidia")


def this_process() -> str:
    """Return a name of this process for `end_with`: its number, and the space in which that counts."""
    return f"{os.getpid()}@{_number_space()}"


def end_with(run: str | None) -> None:
    """End this process and its children when the process `run` ends.

    A Snakemake that is killed cannot end its jobs. Without this they would go
    on, and write what the resumed run writes as well.

    Parameters
    ----------
    run : str or None
        What `this_process` returned there. Nothing is done without it, for a
        process of another container, whose numbers mean nothing here, and
        on systems without process descriptors (Linux has them since 5.3).
    """
    number, _, space = (run or "").partition("@")
    if not number or space != _number_space() or not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(int(number))
    except ProcessLookupError:
        _end()
    threading.Thread(target=_end_after, args=(descriptor,), daemon=True, name="end_with").start()


def _end_after(descriptor: int) -> None:
    select.select([descriptor], [], [])  # readable as soon as the process has ended
    _end()


def _end() -> None:
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os.kill(os.getpid(), signal.SIGKILL)


def _number_space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Put all temporary files into a new folder, and remove it at the end.

    Folders of processes that were killed are removed first: each process holds
    a lock on its own, which ends with it and its children.

    Yields
    ------
    pathlib.Path
        What ``tempfile.gettempdir()`` and ``$TMPDIR`` say meanwhile.
    """
    before, place = tempfile.tempdir, os.environ.get("TMPDIR")
    base, prefix = Path(tempfile.gettempdir()), f"evoalign-{os.getuid()}-"
    for left in base.glob(f"{prefix}*"):
        if _abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        yield folder
    finally:
        tempfile.tempdir = before
        os.environ.pop("TMPDIR")
        if place is not None:
            os.environ["TMPDIR"] = place
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def run_script(connection: socket.socket) -> None:
    """Be the process of a script that `evoalign.pipeline.job_client` asks for, as a new Python would.

    Parameters
    ----------
    connection : socket.socket
        To the one who asks. When that process ends, this one does.
    """
    connection.set_inheritable(False)
    length, streams, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as stream:
        request = json.loads(stream.read(int.from_bytes(length, "big")))
    _take_over(streams, request["folder"], request["environment"])
    connection.sendall(b"\0")  # from here on nobody else runs the script
    threading.Thread(target=_end_after, args=(connection.fileno(),), daemon=True, name="run_script").start()
    status = _status(request["script"])
    atexit._run_exitfuncs()
    for output in (sys.stdout, sys.stderr):
        output.flush()
    connection.sendall(bytes([status]))


def _take_over(streams: list[int], folder: str, environment: dict[str, str]) -> None:
    """Have standard streams, working directory and environment of another process."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # as the environment says it
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # as in a new process: none has another's numbers


def _status(script: str) -> int:
    """Run a script as the program of this process; its exit status."""
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=script, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    sys.argv, sys.path[0] = [script], str(Path(script).parent)
    try:
        exec(compile(Path(script).read_bytes(), script, "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        return 1
    return 0


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU that its processes may use.

    Asked of the driver: to load PyTorch for it would take each plan seconds.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return False
    return any(DRIVER.glob("gpus/*"))


def granted_memory() -> int:
    """Return the bytes of memory that a run may use: of this machine, or of the SLURM job that it is."""
    total = psutil.virtual_memory().total
    # In MB of 1,024 kB; 0 stands for all of the node's.
    if node := int(os.environ.get("SLURM_MEM_PER_NODE", 0)):
        return min(total, node << 20)
    of_core, cores = (int(os.environ.get(f"SLURM_{name}", 0)) for name in ("MEM_PER_CPU", "CPUS_ON_NODE"))
    return min(total, (of_core * cores) << 20) if of_core and cores else total


def _abandoned(folder: Path) -> bool:
    """Whether no process holds a scratch folder any more."""
    try:
        if time.time() - folder.stat().st_mtime < YOUNG_S:
            return False
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
