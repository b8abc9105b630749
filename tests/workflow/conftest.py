"""Finished runs that the workflow tests look at: of the demo, and of two small sessions.

Each happens once in a copy of the checkout. ``EVOALIGN_DEMO`` and
``EVOALIGN_SMALL`` name checkouts with finished runs to use instead, to work on
the tests themselves.
"""

import os
from pathlib import Path

import pytest
from running import copy_checkout, small_study, snakemake


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A copy of the checkout in which nothing has run."""
    return copy_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A copy of the checkout with a finished demo run."""
    if os.environ.get("EVOALIGN_DEMO"):
        return Path(os.environ["EVOALIGN_DEMO"])
    folder = copy_checkout(tmp_path_factory.mktemp("demo"))
    snakemake("--cores", 2, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A finished run of two small sessions."""
    if os.environ.get("EVOALIGN_SMALL"):
        return Path(os.environ["EVOALIGN_SMALL"])
    folder = small_study(tmp_path_factory.mktemp("small"))
    snakemake("--cores", 2, cwd=folder)
    return folder
