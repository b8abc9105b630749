"""Kill parts of a run at random times; what is there meanwhile is whole, and the next run goes on from it."""

import base64
import json
import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from running import OF_THE_RUN, results, snakemake, start

from evoalign.files import PARTIAL, sha256

SLURM_STATE = Path(os.environ.get("EVOALIGN_SLURM_STATE", "/var/lib/evoalign-slurm"))
# A run that neither ends nor dies in this time hangs.
HANGS_S = 900
# Files above this size cannot be written where a disk is not to be filled: smaller than most outputs.
SMALL_FILES = 60_000


def made(folder: Path) -> dict[str, str]:
    """Checksum of every file that the pipeline made, the demo's recordings too, by its name."""
    data = {str(p.relative_to(folder)): sha256(p) for p in (folder / "data").rglob("*") if p.is_file()}
    return results(folder) | data


def not_whole(folder: Path, expected: dict[str, str]) -> list[str]:
    """Files under their final names that are not what an undisturbed run makes."""
    wrong = []
    for top in ("results", "data"):
        for path in (folder / top).rglob("*"):
            name = path.relative_to(folder)
            passing = set(OF_THE_RUN) & set(name.parts[:2]) or PARTIAL in str(name) or ".pieces/" in str(name)
            # A job of a cluster may be at work: what it takes away is gone, not half.
            with suppress(FileNotFoundError):
                if not passing and path.is_file() and sha256(path) != expected.get(str(name)):
                    wrong.append(str(name))
    return wrong


def finished(folder: Path) -> dict[str, float]:
    """Outputs that Snakemake has recorded, and when they were made."""
    times = {}
    kept = folder / ".snakemake/metadata"
    for record in (p for p in kept.rglob("*") if p.is_file()):
        key = base64.urlsafe_b64decode(
            str(record.relative_to(kept)).replace("@", "").replace("/", "")
        ).decode()
        with suppress(json.JSONDecodeError, FileNotFoundError):
            if json.loads(record.read_text())["endtime"] == time_of(folder / key):
                times[key] = time_of(folder / key)
    return times


def time_of(output: Path) -> float:
    """When an output was made; a folder holds a file that says it."""
    stamp = output / ".snakemake_timestamp"
    return (stamp if stamp.exists() else output).stat().st_mtime


def jobs_of(folder: Path) -> list[psutil.Process]:
    """Processes that run scripts of the pipeline in a folder, in whatever way they were started."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if any("/.snakemake/scripts/" in word for word in words) and Path(process.cwd()) == folder:
                # Not the shell around it.
                found += [process] if "python" in Path(words[0]).name else []
    return found


# --- the ways to go


def kill_controller(run: subprocess.Popen, folder: Path, rng: random.Random) -> bool:
    run.kill()
    run.wait()
    return True


def kill_job(run: subprocess.Popen, folder: Path, rng: random.Random) -> bool:
    while run.poll() is None:
        jobs = jobs_of(folder)
        if jobs:
            with suppress(psutil.NoSuchProcess):
                rng.choice(jobs).kill()
                wait(run)
                return True
        time.sleep(0.05)
    return False


def kill_slurmd(run: subprocess.Popen, folder: Path, rng: random.Random) -> bool:
    """Kill the daemon of the node, and start it again as systemd would."""
    pid = SLURM_STATE / "pids/slurmd"
    os.kill(int(pid.read_text()), 9)
    time.sleep(rng.uniform(0.5, 5))
    log = (SLURM_STATE / "log/slurmd.out").open("a")
    again = subprocess.Popen(["slurmd", "-D"], start_new_session=True, stdout=log, stderr=log)
    pid.write_text(f"{again.pid}\n")
    wait(run)
    return True


def fill_disk(run: subprocess.Popen, folder: Path, rng: random.Random) -> bool:
    """Take all space of the disk, and what is freed, until the run has ended."""
    filler = folder.parent / "filler"
    began = time.monotonic()
    with filler.open("ab", buffering=0) as stream:
        while run.poll() is None and time.monotonic() - began < HANGS_S:
            with suppress(OSError):
                while stream.write(bytes(1 << 20)):
                    pass
            time.sleep(0.05)
    filler.unlink()
    wait(run)
    return run.returncode != 0


WAYS: dict[str, Callable[[subprocess.Popen, Path, random.Random], bool]] = {
    "controller": kill_controller,
    "job": kill_job,
    "slurmd": kill_slurmd,
    "disk": fill_disk,
}


def wait(run: subprocess.Popen) -> None:
    """Wait until a run ends; one that hangs is a failure."""
    run.wait(timeout=HANGS_S)


@contextmanager
def small_disk(place: Path, size_mb: int):
    """A disk of its own for a folder; yields whether there is one, which takes root."""
    place.mkdir(parents=True, exist_ok=True)
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", place], capture_output=True
        ).returncode
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", place], check=True)


# --- a campaign


@dataclass
class Campaign:
    """Kills in one folder, one after the other, each followed by a run that goes on.

    Parameters
    ----------
    folder
        Of a study in which nothing has run.
    expected
        What `made` says of an undisturbed run of the same study.
    arguments
        Of Snakemake.
    within_s
        Kills come at a random time within this after the start of a run.
    seed
        Of the times and of what is hit.
    """

    folder: Path
    expected: dict[str, str]
    arguments: tuple
    within_s: tuple[float, float]
    seed: int
    told: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.rng = random.Random(self.seed)
        self.log = self.folder.parent / f"{self.folder.name}.log"

    def run_to_the_end(self, ways: list[str]) -> int:
        """Kill as listed, as long as runs do not end before; return how many kills there were."""
        done = 0
        for way in ways:
            if not self._disturbed(way):
                break
            done += 1
        self._resume()
        return done

    def _disturbed(self, way: str) -> bool:
        """Run until something is killed; say whether it was before the end."""
        after = self.rng.uniform(*self.within_s)
        limited = way == "quota"
        with self.log.open("a") as log:
            run = start(
                *self.arguments,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                preexec_fn=(lambda: limit_files(SMALL_FILES)) if limited else None,
            )
            if limited:
                wait(run)
                killed = run.returncode != 0
            else:
                with suppress(subprocess.TimeoutExpired):
                    run.wait(timeout=after)
                killed = run.poll() is None and WAYS[way](run, self.folder, self.rng)
        self._check_meanwhile(f"{way} after {after:.1f} s")
        return killed

    def _check_meanwhile(self, event: str) -> None:
        wrong = not_whole(self.folder, self.expected)
        self.kept = finished(self.folder)
        self.told.append(f"{event}: {len(self.kept)} outputs finished, {len(wrong)} not whole")
        assert not wrong, (event, wrong)

    def _resume(self) -> None:
        kept = finished(self.folder)
        done = snakemake(*self.arguments, cwd=self.folder, check=False)
        with self.log.open("a") as log:
            log.write(done.stdout)
        assert done.returncode == 0, done.stdout[-6000:]
        assert made(self.folder) == self.expected
        again = [name for name, then in kept.items() if time_of(self.folder / name) != then]
        assert not again, f"done twice: {again}"
        left = [str(p) for top in ("results", "data") for p in (self.folder / top).rglob(f"{PARTIAL}*")]
        assert not left
        assert "Nothing to be done" in snakemake("-n", cwd=self.folder).stdout


def limit_files(size: int) -> None:
    """Let no file of this process and its children grow beyond a size, as a quota does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def begin_anew(folder: Path) -> None:
    """Remove all that runs have made."""
    for name in ("results", "data", ".snakemake"):
        shutil.rmtree(folder / name, ignore_errors=True)
