import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoalign import depends
from evoalign.study import Config, Session

ROW = Session(session="a", subject="b", raw=("a.plx",), date="2026-01-02", preferred="6a", photodiode="AI01")
WHOLE = Config().model_dump(mode="json")


@pytest.fixture
def script(tmp_path):
    """A function that writes a script and returns its path."""

    def write(text):
        path = tmp_path / f"{abs(hash(text))}.py"
        path.write_text(text)
        return path

    return write


def test_a_script_gets_the_knobs_that_it_names_and_no_others(script):
    found = depends.knobs([script("print(config.sorting.highpass_hz, config.seed)")], Config())
    assert found == {"seed": 0, "sorting": {"highpass_hz": 300.0}}


def test_knobs_of_the_same_name_are_told_apart_by_what_the_code_has_to_do_with(script):
    one = script("print(config.encoding.n_bootstrap)")
    both = script("def f(a: Analysis): return a.n_bootstrap\nprint(f(config.encoding))")
    assert depends.knobs([one], Config()) == {"encoding": {"n_bootstrap": 1000}}
    assert depends.knobs([both], Config()) == {"analysis": {"n_bootstrap": 1000}}


def test_a_name_that_could_belong_to_two_sections_in_use_counts_for_both(script):
    text = "def f(x): return x.n_bootstrap\nf(config.encoding); f(config.analysis)"
    assert set(depends.knobs([script(text)], Config())) == {"encoding", "analysis"}


def test_where_a_run_works_is_no_knob(script):
    assert depends.knobs([script("print(config.device, config.results, config.sessions)")], Config()) == {}


def test_cells_are_those_that_a_script_reads_also_through_a_property(script):
    text = "from evoalign.study import Session\nprint(Session(row).preferred_channel, row.photodiode)"
    assert depends.cells(script(text), ROW) == {"preferred": "6a", "photodiode": "AI01"}


def test_what_was_not_given_cannot_be_read():
    config = depends.only(Config, {"sorting": {"highpass_hz": 250.0}})
    assert config.sorting.highpass_hz == 250.0
    with pytest.raises(AttributeError):
        _ = config.sorting.lowpass_hz
    with pytest.raises(AttributeError):
        _ = config.analysis


@given(st.sets(st.sampled_from(sorted(WHOLE))))
def test_what_was_given_reads_as_in_the_whole(names):
    part = depends.only(Config, {name: WHOLE[name] for name in names})
    assert all(getattr(part, name) == getattr(Config(), name) for name in names)


def test_cells_come_back_with_their_types():
    part = depends.only(Session, ROW.model_dump(mode="json"))
    assert part == ROW


def test_pins_hold_what_an_imported_package_needs(script):
    lock = {"pynwb": "1", "hdmf": "2", "numpy": "3", "matplotlib": "4"}
    found = depends.pins([script("import pynwb\npynwb.NWBFile")], lock)
    assert found == {"pynwb": "1", "hdmf": "2", "numpy": "3"}


def test_a_lock_is_read_by_canonical_names(tmp_path):
    (tmp_path / "lock").write_text("# pins\nhdmf_zarr==0.13.0\nmoto[server]==5.2.5\nast_serialize==0.1 ; x\n")
    assert depends.read_lock(tmp_path / "lock") == {
        "hdmf-zarr": "0.13.0",
        "moto": "5.2.5",
        "ast-serialize": "0.1",
    }
