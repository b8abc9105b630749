import subprocess
import sys
import types

import pytest

from evoalign.pipeline.provenance import measure

WORK = """
import subprocess, sys, time
{start}
from evoalign.pipeline.provenance.measure import Meter
meter = Meter()
held = b"x" * {mb}_000_000
until = time.process_time() + {cpu_s}
while time.process_time() < until:
    pass
print(time.process_time())
print(meter.read().model_dump_json())
"""
CHILD = "held = b'x' * 400_000_000; import time; sum(range(3_000_000)); print(time.process_time())"


def measured(mb, cpu_s, start=""):
    """What a process of its own says that it took, and the processor times that Python's clock tells."""
    text = WORK.format(mb=mb, cpu_s=cpu_s, start=start)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    *clocks, told = done.stdout.splitlines()
    return measure.Usage.model_validate_json(told), sum(map(float, clocks))


def test_memory_and_times_are_what_a_process_took():
    (small, _), (large, cpu_s) = measured(1, 0.0), measured(300, 0.3)
    assert large.memory_mb - small.memory_mb == pytest.approx(299, abs=25)
    assert large.cpu_s == pytest.approx(cpu_s, abs=0.1)
    assert large.wall_s >= large.cpu_s * 0.9
    assert (large.ended - large.started).total_seconds() == pytest.approx(large.wall_s, abs=0.01)


def test_processor_time_and_memory_of_children_count():
    start = f"subprocess.run([sys.executable, '-c', {CHILD!r}])"
    used, cpu_s = measured(1, 0.0, start)
    assert 400 < used.memory_mb < 450
    assert used.cpu_s == pytest.approx(cpu_s, abs=0.15)


def test_memory_is_not_that_of_the_process_that_started_it():
    """Which the kernel's ru_maxrss is, after `exec`."""
    held = bytearray(600_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert measured(1, 0.0)[0].memory_mb < 300


def test_the_machine_is_told():
    host = measure.this_host()
    assert host.name and host.cpu and host.cores >= 1 and host.memory_gb > 0.1


class Driver:
    """NVML of two GPUs whose counters stand at 1 and 2 kJ, or that have none."""

    class NVMLError(Exception):
        pass

    def __init__(self, counted=True):
        self.counted = counted
        self.drawn_mj = [1_000_000, 2_000_000]

    def nvmlInit(self): ...

    def nvmlShutdown(self): ...

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle}{handle}"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if not self.counted:
            raise self.NVMLError
        return self.drawn_mj[handle]


def use_second_gpu(monkeypatch, tmp_path, driver):
    """A machine with two GPUs, of which torch has put 3 GB on the second."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(measure, "DRIVER", tmp_path / "nvidiactl")
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        max_memory_allocated=lambda index: 3_000_000_000 * index,
        get_device_properties=lambda index: types.SimpleNamespace(
            name=f"GPU {index}", uuid=f"{index}{index}"
        ),
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))


def test_energy_of_a_gpu_is_what_its_counter_went_up_by(monkeypatch, tmp_path):
    driver = Driver()
    use_second_gpu(monkeypatch, tmp_path, driver)
    meter = measure.Meter()
    driver.drawn_mj = [1_700_000, 2_250_000]
    assert meter.read().gpus == (measure.Gpu(name="GPU 1", memory_mb=3000.0, energy_j=250.0),)


def test_a_gpu_without_a_counter_is_told_without_energy(monkeypatch, tmp_path):
    use_second_gpu(monkeypatch, tmp_path, Driver(counted=False))
    assert measure.Meter().read().gpus == (measure.Gpu(name="GPU 1", memory_mb=3000.0, energy_j=None),)


def test_without_a_driver_there_are_no_counters(monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "DRIVER", tmp_path / "none")
    assert measure.energy_counters() == {}
