from pathlib import Path

import pytest


@pytest.fixture
def style():
    return Path(__file__).parents[3] / "resources/style/evoalign.mplstyle"
