"""Fixtures of the sorting tests."""

from __future__ import annotations

import numpy as np
import pytest
from planted_spikes import make_truth


@pytest.fixture(scope="session")
def truth() -> tuple[np.ndarray, list[np.ndarray]]:
    return make_truth()
