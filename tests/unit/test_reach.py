import textwrap

import pytest

from evoalign.reach import Library

FILES = {
    "__init__.py": "",
    "used.py": '''
        """A module of which a script uses one function."""
        import numpy as np
        from evoalign import other
        LEVEL = 2

        def called(x: other.Kind, settings: Section) -> float:
            """Add."""
            return inner(x) + settings.highpass_hz  # knob

        def inner(x):
            return np.mean(x) * LEVEL

        def beside(x):
            import torch
            return torch.sum(x) + other.deep()
    ''',
    "other.py": "class Kind:\n    pass\ndef deep():\n    return 1\ndef shallow():\n    return 2\n",
    "room/__init__.py": "from evoalign.room.inside import opened\nfrom evoalign.room.late import lazy\n",
    "room/inside.py": (
        "import importlib\n"
        "def opened(name):\n    return importlib.import_module('evoalign.room.reader')\n"
        "def never():\n    return 3\n"
    ),
    "room/reader.py": "def read():\n    return 4\n",
    "room/late.py": "def lazy():\n    return 5\n",
}


@pytest.fixture
def library(tmp_path):
    for name, text in FILES.items():
        file = tmp_path / "evoalign" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return tmp_path / "evoalign"


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("from evoalign.used import called\ncalled(1)\n")
    return path


def digest_after(library, script, file, old, new):
    """Digest of the script after an edit of the library."""
    text = (library / file).read_text()
    assert old in text
    (library / file).write_text(text.replace(old, new))
    return Library(library).digest(script)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("used.py", "highpass_hz", "lowpass_hz"),  # in the called function
        ("used.py", "* LEVEL", "/ LEVEL"),  # in one that it calls
        ("used.py", "LEVEL = 2", "LEVEL = 3"),  # in a constant that this reads
        ("used.py", "import numpy as np", "import pandas as np\nprint('imported')"),
    ],
)
def test_a_change_of_what_a_script_reaches_changes_its_digest(library, script, file, old, new):
    before = Library(library).digest(script)
    assert digest_after(library, script, file, old, new) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("used.py", "torch.sum(x)", "torch.max(x)"),  # a function beside the called one
        ("used.py", "  # knob", "  # a knob"),
        ("used.py", '"""Add."""', '"""Add both."""'),
        ("other.py", "    pass", "    x = 1"),  # named in an annotation, which never runs
        ("other.py", "return 1", "return 7"),
        ("room/late.py", "return 5", "return 6"),
    ],
)
def test_a_change_of_anything_else_leaves_the_digest(library, script, file, old, new):
    before = Library(library).digest(script)
    assert digest_after(library, script, file, old, new) == before


def test_a_changed_script_changes_its_digest(library, script):
    before = Library(library).digest(script)
    script.write_text(script.read_text().replace("called(1)", "called(2)"))
    assert Library(library).digest(script) != before


def test_packages_are_those_of_the_reached_definitions(library, script):
    assert Library(library).reach(script).packages == {"numpy"}
    script.write_text("from evoalign import used\nused.beside(1)\n")
    assert Library(library).reach(script).packages == {"torch"}


def test_a_name_that_a_room_hands_on_leads_to_where_it_is_defined(library, script):
    script.write_text("from evoalign.room import opened\nopened('a')\n")
    reached = Library(library).reach(script).definitions
    assert ("evoalign.room.inside", "opened") in reached
    assert ("evoalign.room.inside", "never") not in reached
    assert not any(module == "evoalign.room.late" for module, _ in reached)


def test_a_module_named_in_a_string_counts_whole(library, script):
    script.write_text("from evoalign.room import opened\nopened('a')\n")
    assert ("evoalign.room.reader", "read") in Library(library).reach(script).definitions


def test_a_module_that_is_handed_on_as_an_object_counts_whole(library, script):
    script.write_text("from evoalign import other\nprint(getattr(other, input()))\n")
    reached = Library(library).reach(script).definitions
    assert {("evoalign.other", "deep"), ("evoalign.other", "shallow")} <= set(reached)


def test_code_for_another_process_names_a_package(library, script):
    script.write_text("import subprocess\nsubprocess.run(['python', '-c', 'from dandi.cli import main'])\n")
    assert Library(library).reach(script).packages == {"dandi"}
