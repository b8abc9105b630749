"""Settings of the simulated demo study."""

from __future__ import annotations

from evoalign.settings import Section, setting


class Demo(Section):
    """The demo study that `make demo` simulates."""

    seed: int = setting(20260, "seed of the whole demo study", ge=0)
    n_electrodes: int = setting(16, "electrodes a session", ge=4, le=96)
    n_blocks: int = setting(17, "blocks (= generations) a session", ge=4, le=60)
    images_per_thread: int = setting(12, "generated images a thread and block", ge=4, le=40)
    references_per_thread: int = setting(2, "natural reference images a thread and block", ge=0, le=20)
    noise_uv: float = setting(9.0, "standard deviation of the voltage noise", gt=0, le=50)
