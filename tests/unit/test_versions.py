"""The digest of what a script runs: its modules, the packages around them, pins."""

import json
import shutil
import subprocess
import sys

import pytest

from evoalign import kept
from evoalign.pipeline import digests, installed, versions

REAL = versions.ROOT
OF_ROOT = (versions._sources, versions._library, versions._module_digest)  # what is kept of its files
LOCK = {"pynwb": "1", "hdmf": "2", "numpy": "3", "matplotlib": "4", "pillow": "5"}


@pytest.fixture
def script(tmp_path):
    """A function that writes a script and returns its path."""

    def write(text):
        path = tmp_path / f"{abs(hash(text))}.py"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def digest(tmp_path, script, monkeypatch):
    """A function from a script, pins, and a change to the text of a module, to the digest."""

    def of(text, pins="numpy==1", **changed):
        lock = tmp_path / f"{pins}.lock"
        lock.write_text(pins)
        root = tmp_path / f"{abs(hash(str(changed)))}"
        root.mkdir(exist_ok=True)
        for name in ("errors", "__init__"):
            (root / f"{name}.py").write_text(changed.get(name, (REAL / f"{name}.py").read_text()))
        monkeypatch.setattr(versions, "ROOT", root)
        for cached in (versions.of, versions.read_lock, *OF_ROOT):
            cached.cache_clear()
        return versions.of(script(text), str(lock))

    yield of
    for cached in OF_ROOT:
        cached.cache_clear()


ERRORS = "from evoalign.errors import InputError\nprint(InputError)\n"


def test_modules_are_those_that_python_loads(script):
    """Asked of Python itself: what it has loaded after it ran the same imports."""
    text = "from evoalign.events.align import align\nfrom evoalign import tables\nimport evoalign.files\n"
    found = versions.modules(script(text))
    assert {"evoalign", "evoalign.events", "evoalign.events.align", "evoalign.files", "numpy"} <= found
    told = text + "import sys; print(*(name for name in sys.modules if name.startswith('evoalign')))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert {"evoalign.events.align"} < set(done.stdout.split()) <= found


def test_an_import_within_a_function_counts(script):
    assert "evoalign.formats.plx.read" in versions.modules(script("import evoalign.formats.opening"))


def test_comments_docstrings_and_layout_do_not_count(digest):
    source = (REAL / "errors.py").read_text()
    before = digest(ERRORS)
    assert digest(ERRORS + "# a comment\n") == before
    assert digest('"""A docstring."""\n' + ERRORS.replace("\n", "\n\n")) == before
    assert (
        digest(ERRORS, errors='"""Another docstring."""\n' + source.partition('"""\n')[2] + "\n# end\n")
        == before
    )


@pytest.mark.parametrize("module", ["errors", "__init__"])
def test_a_changed_module_counts_and_so_does_the_package_around_it(digest, module):
    source = (REAL / f"{module}.py").read_text()
    assert digest(ERRORS, **{module: source + "\nX = 1\n"}) != digest(ERRORS)


def test_what_a_module_does_when_it_is_imported_counts(digest):
    source = (REAL / "errors.py").read_text()
    both = [digest(ERRORS, errors=f"{source}\nprint({number})\n") for number in (1, 2)]
    assert both[0] != both[1]


def test_a_changed_script_counts(digest):
    assert digest(ERRORS) != digest(ERRORS + "print(2)\n")


def test_a_pin_counts_where_the_package_is_imported(digest):
    assert digest("import numpy", "numpy==1") != digest("import numpy", "numpy==2")
    assert digest(ERRORS, "torch==1") == digest(ERRORS, "torch==2")


def test_pins_hold_what_an_imported_package_needs():
    assert versions.pins(["pynwb"], LOCK) == {"pynwb": "1", "hdmf": "2", "numpy": "3"}
    assert versions.pins(["PIL"], LOCK) == {"pillow": "5"}


def test_a_lock_is_read_by_canonical_names(tmp_path):
    (tmp_path / "lock").write_text("# pins\nhdmf_zarr==0.13.0\nmoto[server]==5.2.5\nast_serialize==0.1 ; x\n")
    assert versions.read_lock(str(tmp_path / "lock")) == {
        "hdmf-zarr": "0.13.0",
        "moto": "5.2.5",
        "ast-serialize": "0.1",
    }


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache, as that of a process that has read none of it yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield tmp_path / "evoalign/sources.json"
    for file in (digests.KEPT, installed.KEPT, versions.REACHED):
        file.forget()


def kept_digest(source):
    """The digest that the next process takes."""
    digests.KEPT.forget()
    digest = digests.source_digest(source)
    digests.KEPT.write()
    return digest


def test_a_kept_digest_is_the_one_that_is_made(cache, monkeypatch):
    digest = kept_digest("x = 1  # one\n")
    assert cache.is_file()
    monkeypatch.setattr(digests, "_bare", lambda source: pytest.fail("read again"))
    assert kept_digest("x = 1  # one\n") == digest
    with pytest.raises(pytest.fail.Exception, match="read again"):
        digests.source_digest("x = 2\n")


def test_no_digest_of_another_way_to_make_them_is_taken(cache, monkeypatch):
    source = "x = 1\n"
    kept_digest(source)
    monkeypatch.setattr(digests, "_maker", lambda: "another Python")
    monkeypatch.setattr(digests, "_bare", lambda source: "made anew")
    assert kept_digest(source) == kept.short_hash("made anew")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_cache_is_as_none(cache, content):
    digest = kept_digest("x = 1\n")
    cache.write_bytes(content)
    assert kept_digest("x = 1\n") == digest
    assert json.loads(cache.read_text())


def test_a_cache_that_cannot_be_written_stops_nobody(cache, tmp_path):
    (tmp_path / "evoalign").write_text("a file in the place of the folder")
    assert kept_digest("x = 1\n") != kept_digest("x = 2\n")


def test_what_was_kept_long_ago_is_dropped(cache, monkeypatch):
    monkeypatch.setattr(digests.KEPT, "most", 2)
    for number in range(4):
        kept_digest(f"x = {number}\n")
    assert len(json.loads(cache.read_text())) == 2


def test_who_imports_whom_is_found_once_until_a_module_changes(cache, digest, monkeypatch):
    source = (REAL / "errors.py").read_text()
    first = digest(ERRORS)
    versions.REACHED.forget()
    monkeypatch.setattr(versions, "_graph", lambda: pytest.fail("found again"))
    assert digest(ERRORS) == first
    with pytest.raises(pytest.fail.Exception, match="found again"):
        digest(ERRORS, errors=source + "import json\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A function that installs packages in a folder of their own, which alone Python finds."""
    folder = tmp_path / "site"
    monkeypatch.setattr(sys, "path", [str(folder)])

    def install(name, version, module, *needed):
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in needed)]
        (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines]))
        (info / "top_level.txt").write_text(module)
        return info

    yield install
    installed.packages.cache_clear()


def listed_next(monkeypatch):
    """The packages as the next process lists them."""
    installed.packages.cache_clear()
    installed.KEPT.forget()
    found = installed.packages()
    installed.KEPT.write()
    return found


def test_packages_are_listed_once(cache, site, monkeypatch):
    site("Some_Lab", "1", "lab", "numpy>=1", "torch ; extra == 'gpu'")
    first = listed_next(monkeypatch)
    assert first == {"of_module": {"lab": ["Some_Lab"]}, "needed_by": {"some-lab": ["numpy"]}}
    monkeypatch.setattr(installed, "_listed", lambda: pytest.fail("listed again"))
    assert listed_next(monkeypatch) == first


def test_packages_are_listed_again_after_one_was_installed_or_installed_anew(cache, site, monkeypatch):
    info = site("lab", "1", "lab")
    listed_next(monkeypatch)
    site("other", "1", "other")
    assert listed_next(monkeypatch)["of_module"] == {"lab": ["lab"], "other": ["other"]}
    # As pip does for the same version: a folder of the same name.
    shutil.rmtree(info)
    site("lab", "1", "lab", "numpy")
    assert listed_next(monkeypatch)["needed_by"]["lab"] == ["numpy"]
