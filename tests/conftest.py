"""Which tests a worker of pytest-xdist keeps together, so that what they share is made once."""

import pytest

# Finished runs of the pipeline that many tests look at: see workflow/conftest.py. The longest first.
RUNS = ("demo", "study")


def pytest_collection_modifyitems(config, items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    if hasattr(config, "workerinput"):
        # What takes longest begins first, so that no worker waits for it at the end.
        order = {name: place for place, name in enumerate(RUNS)}
        items.sort(key=lambda item: order.get(group(item), len(RUNS)))


def group(item):
    """The run that a test of the workflow looks at, or its file; the folder of a unit test."""
    file = item.path.relative_to(item.config.rootpath)
    if "workflow" not in file.parts:
        return str(file.parent)
    return next((run for run in RUNS if run in item.fixturenames), str(file))
