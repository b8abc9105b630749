"""MonkeyLogic's files: one tree, whatever the format."""

import struct
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from evoalign.errors import InputError
from evoalign.events.align import align
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.formats.monkeylogic.behavior import read_behavior, trials
from evoalign.formats.monkeylogic.bhv2 import Bhv2
from evoalign.formats.monkeylogic.write import FunctionHandle, behavior_tree, write_behavior, write_bhv2
from evoalign.simulate.rig import simulate_rig
from evoalign.simulate.rig_faults import NO_FAULTS

REAL = Path(__file__).parents[4] / "shared/data/monkeylogic/231206__dms_younes2.bhv2"
needs_real = pytest.mark.skipif(
    not REAL.exists(), reason="no real files beside the checkout (../shared/data)"
)


def same(one, two) -> bool:
    if isinstance(one, dict):
        return isinstance(two, dict) and list(one) == list(two) and all(same(one[k], two[k]) for k in one)
    if isinstance(one, str):
        return isinstance(two, str) and one == two
    one, two = np.asarray(one), np.asarray(two)
    if one.shape != two.shape:
        return False
    if one.dtype == object:
        return two.dtype == object and all(same(a, b) for a, b in zip(one.ravel(), two.ravel(), strict=True))
    return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


names = st.text(st.characters(codec="ascii", categories=("Lu", "Ll")), min_size=1, max_size=8)
shapes = hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=3)
dtypes = st.sampled_from(["<f8", "<f4", "u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "?"])
numbers = dtypes.flatmap(lambda dtype: shapes.flatmap(lambda shape: hnp.arrays(dtype, shape)))
texts = st.text(st.characters(min_codepoint=1, exclude_categories=("Cs",)), max_size=8)


def boxed(values: list, dims: int = 2) -> np.ndarray:
    box = np.empty(len(values), object)
    for i, value in enumerate(values):
        box[i] = value
    return box.reshape((1, len(values)) + (1,) * (dims - 2))


trees = st.recursive(
    numbers | texts,
    lambda inside: (
        st.dictionaries(names, inside, max_size=3)
        | st.lists(inside.filter(lambda v: not isinstance(v, dict)), max_size=3).map(boxed)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(tree=st.dictionaries(names, trees, min_size=1, max_size=3), indexed=st.booleans())
def test_bhv2_round_trip_is_exact(tree, indexed, tmp_path_factory):
    path = tmp_path_factory.mktemp("bhv2") / "a.bhv2"
    try:
        write_bhv2(path, tree, indexed=indexed)
    except UnicodeEncodeError:
        return  # the layout of 2017 holds single-byte text only
    found = dict(Bhv2(path))
    for name, value in tree.items():
        assert same(found[name], value)


def test_arrays_of_structs_and_function_handles(tmp_path):
    structs = boxed([{"a": np.full((1, 1), float(i)), "b": "x" * i} for i in range(3)])
    tree = {"S": structs, "F": FunctionHandle("fwd_projective"), "E": {}}
    for suffix in ("bhv2", "h5"):
        write_behavior(tmp_path / f"a.{suffix}", tree)
        found = read_behavior(tmp_path / f"a.{suffix}")
        assert same(found["S"], structs)
        assert found["F"] == "fwd_projective"
        assert found["E"] == {}


def test_text_is_counted_in_characters(tmp_path):
    write_bhv2(tmp_path / "a.bhv2", {"A": "Grün, 画像", "B": np.ones((1, 1))})
    assert read_behavior(tmp_path / "a.bhv2")["A"] == "Grün, 画像"
    write_bhv2(tmp_path / "b.bhv2", {"A": "Grün", "B": np.ones((1, 1))}, indexed=False)
    assert read_behavior(tmp_path / "b.bhv2")["A"] == "Grün"


def test_numbers_of_bhv2_are_views_into_the_file(tmp_path):
    write_bhv2(tmp_path / "a.bhv2", {"Eye": np.arange(6.0).reshape(3, 2)})
    eye = dict(Bhv2(tmp_path / "a.bhv2"))["Eye"]
    assert not eye.flags.owndata
    assert eye.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.fixture(scope="module")
def rig():
    return simulate_rig(0, n_presentations=120, faults=NO_FAULTS)


@pytest.mark.parametrize("suffix", ["bhv2", "h5", "mat"])
def test_all_formats_give_the_rigs_own_log(rig, suffix, tmp_path):
    write_behavior(tmp_path / f"a.{suffix}", behavior_tree(rig.log))
    log = read_log(tmp_path / f"a.{suffix}", Events(), ("texture", "object"))
    pd.testing.assert_frame_equal(log, rig.log, rtol=0, atol=1e-9)


def test_trials_are_a_table(rig, tmp_path):
    write_behavior(tmp_path / "a.bhv2", behavior_tree(rig.log))
    table = trials(tmp_path / "a.bhv2")
    assert table["trial"].tolist() == list(range(1, rig.log["trial"].max() + 1))
    assert table["codes"][0][:7].tolist() == [9, 9, 9, 201, 1, 202, 1]
    assert (table["code_times_s"][0][0] == table["start_s"][0]).all()


def test_a_mat_of_version_7_3_reads_alike(rig, tmp_path):
    tree = behavior_tree(rig.log)
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        references = file.create_group("#refs#")
        for name, value in tree.items():
            matlab_node(file, references, name, value)
    log = read_log(tmp_path / "a.mat", Events(), ("texture", "object"))
    pd.testing.assert_frame_equal(log, rig.log, rtol=0, atol=1e-9)


def matlab_node(parent, references, name, value):
    """As MATLAB's save -v7.3 writes: MATLAB_class, reversed sizes, cells by reference, text as uint16."""
    if isinstance(value, dict):
        node = parent.create_group(name)
        node.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, inside in value.items():
            matlab_node(node, references, field, inside)
        return node
    if isinstance(value, str):
        node = parent.create_dataset(name, data=np.array([[ord(c)] for c in value], np.uint16))
        node.attrs["MATLAB_class"] = np.bytes_("char")
        return node
    if value.dtype == object:
        inside = [
            matlab_node(references, references, f"r{len(references)}", v).ref for v in value.ravel(order="F")
        ]
        cells = np.array(inside, h5py.ref_dtype).reshape(value.shape[::-1])
        node = parent.create_dataset(name, data=cells, dtype=h5py.ref_dtype)
        node.attrs["MATLAB_class"] = np.bytes_("cell")
        return node
    node = parent.create_dataset(name, data=np.array([0, 0], np.uint64) if value.size == 0 else value.T)
    if value.size == 0:
        node.attrs["MATLAB_empty"] = np.uint8(1)
    node.attrs["MATLAB_class"] = np.bytes_("double")
    return node


# --- image words ---------------------------------------------------------------------------------


def test_numbers_of_the_head_are_no_image_words(rig, tmp_path):
    """Block 5, trial 101: the number after 201 is not the word of fixation, nor that after 202 an image."""
    log = rig.log[rig.log["trial"] == 1].assign(block=5, trial=1)
    tree = behavior_tree(log)
    head = tree["Trial1"]["BehavioralCodes"]["CodeNumbers"]
    assert head[4, 0] == 5
    head[6, 0] = 101
    write_behavior(tmp_path / "a.bhv2", tree)
    found = read_log(tmp_path / "a.bhv2", Events())
    assert len(found) == len(log)
    assert (found["block"] == 5).all()


def test_image_words_without_fixation_do_not_count(rig, tmp_path):
    tree = behavior_tree(rig.log)
    codes = tree["Trial1"]["BehavioralCodes"]["CodeNumbers"]
    codes[codes == 5] = 6
    write_behavior(tmp_path / "a.bhv2", tree)
    found = read_log(tmp_path / "a.bhv2", Events())
    assert set(found["trial"]) == set(rig.log["trial"]) - {1}
    assert len(read_log(tmp_path / "a.bhv2", Events(fixation_word=-1))) >= len(rig.log)


def test_a_broken_trial_has_no_offset(rig, tmp_path):
    log = rig.log.copy()
    last = log.index[log["trial"] == 3][-1]
    log.loc[last, "offset_s"] = np.nan
    write_behavior(tmp_path / "a.bhv2", behavior_tree(log))
    found = read_log(tmp_path / "a.bhv2", Events(), ("texture", "object"))
    pd.testing.assert_frame_equal(found, log, rtol=0, atol=1e-9)


def test_names_are_blank_where_the_file_does_not_tell(rig, tmp_path):
    write_behavior(tmp_path / "a.bhv2", behavior_tree(rig.log, image_field=""))
    found = read_log(tmp_path / "a.bhv2", Events())
    assert (found["image"] == "").all()
    assert found["block"].tolist() == rig.log["block"].tolist()  # by the words of the head
    with pytest.raises(InputError, match="no image names in 'UserVars.picture'"):
        read_log(tmp_path / "a.bhv2", Events(image_field="UserVars.picture"))


def test_a_configured_field_names_the_images(rig, tmp_path):
    write_behavior(tmp_path / "a.bhv2", behavior_tree(rig.log, image_field="shownPictures"))
    assert (read_log(tmp_path / "a.bhv2", Events())["image"] == "").all()
    found = read_log(tmp_path / "a.bhv2", Events(image_field="UserVars.shownPictures"))
    assert found["image"].tolist() == rig.log["image"].tolist()


def pictures(names):
    return boxed([boxed(["fix", np.zeros((1, 1))])] + [boxed(["pic", f"C:\\x\\{n}.bmp"]) for n in names])


def test_pictures_of_task_objects_count_when_their_names_are_the_studys(rig, tmp_path):
    tree = behavior_tree(rig.log, image_field="")
    for number in range(1, rig.log["trial"].max() + 1):
        shown = rig.log["image"][rig.log["trial"] == number]
        tree[f"Trial{number}"]["TaskObject"] = {"Attribute": pictures(shown)}
    write_behavior(tmp_path / "a.bhv2", tree)
    assert read_log(tmp_path / "a.bhv2", Events())["image"].tolist() == rig.log["image"].tolist()
    for number in range(1, rig.log["trial"].max() + 1):
        tree[f"Trial{number}"]["TaskObject"] = {"Attribute": pictures(["cue"] * 6)}
    write_behavior(tmp_path / "b.bhv2", tree)
    # Objects of unknown meaning are not taken by their order, unless the configuration says so.
    assert (read_log(tmp_path / "b.bhv2", Events())["image"] == "").all()
    told = read_log(tmp_path / "b.bhv2", Events(image_field="TaskObject.Attribute"))
    assert (told["image"] == "cue").all()


# --- bad files ------------------------------------------------------------------------------------


def expect(path, text):
    with pytest.raises(InputError, match=text) as error:
        read_log(path, Events())
    assert str(path) in error.value.where


def test_bad_files_are_input_errors(tmp_path, rig):
    path = tmp_path / "a.bhv2"
    expect(path, "does not exist")
    path.write_bytes(b"")
    expect(path, "empty")
    path.write_bytes(b"\xfe\xff" * 40)
    expect(path, "characters long")
    write_bhv2(path, behavior_tree(rig.log))
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    expect(path, "file ends at byte")
    path.write_bytes(whole + b"\0" * 3)
    expect(path, "inside of a variable")
    path.write_bytes(variable("x", "timetable", (1, 1)))
    expect(path, "unknown type 'timetable'")
    path.write_bytes(variable("x", "double", (2**40, 1)))
    expect(path, "announces")
    path.write_bytes(variable("x", "cell", (30, 1)) * 2)
    expect(path, "too short")
    path.write_bytes(variable("x", "struct", (1, 1)) + struct.pack("<Q", 2**60))
    expect(path, "too short")


def variable(name, kind, shape):
    text = b"".join(struct.pack("<Q", len(t)) + t.encode() for t in (name, kind))
    return text + struct.pack(f"<{len(shape) + 1}Q", len(shape), *shape)


BAD_CODES = [
    ("CodeTimes", lambda times: np.zeros((2, 1)), "2 code times but"),
    ("CodeTimes", lambda times: "abc", "no numbers"),
    ("CodeNumbers", lambda numbers: np.full_like(numbers, np.nan), "not finite"),
    ("CodeNumbers", lambda numbers: numbers + 0.5, "no whole numbers"),
]


def with_bad_trials(rig, numbers, field, spoil):
    tree = behavior_tree(rig.log)
    for number in numbers:
        codes_of_trial = tree[f"Trial{number}"]["BehavioralCodes"]
        codes_of_trial[field] = spoil(codes_of_trial[field])
    return tree


@pytest.mark.parametrize(("field", "spoil", "text"), BAD_CODES)
def test_one_unreadable_trial_is_left_out_and_named_and_many_refuse(
    tmp_path, rig, field, spoil, text, caplog
):
    path = tmp_path / "a.bhv2"
    write_bhv2(path, with_bad_trials(rig, [3], field, spoil))
    log = read_log(path, Events(), ("texture", "object"))
    expected = rig.log[rig.log["trial"] != 3].drop(columns="presentation").reset_index(drop=True)
    pd.testing.assert_frame_equal(log.drop(columns="presentation"), expected, rtol=0, atol=1e-9)
    assert "Trial3 is left out" in caplog.text
    assert text in caplog.text
    write_bhv2(path, with_bad_trials(rig, [3, 4, 5], field, spoil))
    expect(path, f"{text}.*and 3 of 20 trials are damaged")


def test_missing_trials_are_told_and_many_refuse(tmp_path, rig, caplog):
    path = tmp_path / "a.bhv2"
    tree = behavior_tree(rig.log)
    del tree["Trial2"]
    write_bhv2(path, tree)
    log = read_log(path, Events(), ("texture", "object"))
    assert sorted(set(log["trial"])) == [1, *range(3, 21)]
    assert "Trial2 is missing" in caplog.text
    p = align(log, rig.words, Events()).presentations
    assert p["valid"].all()
    np.testing.assert_allclose(p["word_s"], rig.truth["word_s"][rig.log["trial"] != 2])
    for number in (7, 9):
        del tree[f"Trial{number}"]
    write_bhv2(path, tree)
    expect(path, "3 of 20 trials are missing, the first is Trial2")


def back_by(step_ms, at):
    def spoil(times):
        spoiled = times.copy()
        spoiled[at] = spoiled[at - 1] - step_ms
        return spoiled

    return spoil


@pytest.mark.parametrize(("step_ms", "at"), [(0.4, 9), (0.4, 10), (0.4, 2), (30.0, 9), (3000.0, 12)])
def test_a_code_before_its_predecessor_costs_its_trial_alone(tmp_path, rig, step_ms, at, caplog):
    path = tmp_path / "a.bhv2"
    write_bhv2(path, with_bad_trials(rig, [3], "CodeTimes", back_by(step_ms, at)))
    log = read_log(path, Events(), ("texture", "object"))
    p = align(log, rig.words, Events()).presentations
    assert (p["valid"] == (p["trial"] != 3)).all()
    assert p["reason"][p["trial"] == 3].str.contains("log of this trial is damaged").all()
    good = p["valid"]
    np.testing.assert_allclose(p["word_s"][good], rig.truth["word_s"][good])
    assert "Trial3" in caplog.text
    write_bhv2(path, with_bad_trials(rig, [3, 4, 5], "CodeTimes", back_by(step_ms, at)))
    expect(path, "run backwards by .* ms, and 3 of 20 trials are damaged")


@pytest.mark.parametrize("start_ms", [0.0, 1e9])
def test_a_trial_whose_start_is_wrong_costs_itself_alone(tmp_path, rig, start_ms):
    path = tmp_path / "a.bhv2"
    tree = behavior_tree(rig.log)
    tree["Trial4"]["AbsoluteTrialStartTime"] = np.full((1, 1), start_ms)
    write_bhv2(path, tree)
    p = align(read_log(path, Events(), ("texture", "object")), rig.words, Events()).presentations
    assert (p["valid"] == (p["trial"] != 4)).all()
    assert p["reason"][p["trial"] == 4].str.contains("time runs backwards").all()
    for number in range(5, 9):
        tree[f"Trial{number}"]["AbsoluteTrialStartTime"] = np.full((1, 1), start_ms)
    write_bhv2(path, tree)
    expect(path, "time runs backwards.*of 120 rows are out of order")


def test_other_formats_refuse_what_they_are_not(tmp_path):
    for suffix, text in (
        ("h5", "not a readable HDF5"),
        ("mat", "not a .mat file"),
        ("xyz", "no stimulus log"),
    ):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(b"nothing of the kind" * 20)
        expect(path, text)


# --- a real file ------------------------------------------------------------------------------------


@needs_real
def test_the_real_file_is_read_to_its_last_byte():
    found = dict(Bhv2(REAL))
    assert list(found)[:3] == ["IndexPosition", "FileInfo", "MLConfig"]
    assert list(found)[3:] == [*(f"Trial{i}" for i in range(1, 54)), "TrialRecord", "FileIndex"]
    # The file's own index says where each variable starts and ends.
    index = found["FileIndex"]
    assert index[:, 0].tolist() == list(found)[:-1]
    starts, ends = (np.array([cell[0, 0] for cell in index[:, column]]) for column in (1, 2))
    np.testing.assert_array_equal(starts[1:], ends[:-1])
    assert found["IndexPosition"][0, 0] == ends[-1]


@needs_real
def test_the_real_files_trials_agree_with_its_bytes():
    table = trials(REAL)
    assert len(table) == 53
    first = table.iloc[0]
    assert first["codes"].tolist() == [9, 10, 20, 30, 40, 18]
    np.testing.assert_allclose(first["code_times_s"][:2], [0.0055927, 0.1615489], atol=1e-6)
    # Found without a parser: the name of the field, its head, then the number itself.
    raw = REAL.read_bytes()
    at = raw.index(b"AbsoluteTrialStartTime", raw.index(b"Trial53"))
    at += len(b"AbsoluteTrialStartTime") + 8 + len(b"double") + 3 * 8
    assert table["start_s"].iloc[-1] == struct.unpack_from("<d", raw, at)[0] / 1000


@needs_real
def test_a_real_file_without_image_words_is_refused_by_its_words():
    with pytest.raises(InputError, match=r"none of the \d+ words of its 53 trials means image-on") as error:
        read_log(REAL, Events())
    assert "9 (" in error.value.what
    # Where nothing was recorded, the log is read for itself.
    assert len(read_log(REAL, Events(), alone=True)) == 0
    assert "events.onset_words" in error.value.hint
    assert read_behavior(REAL)["Trial1"]["TaskObject"]["Attribute"].shape == (1, 4)


@pytest.mark.parametrize("suffix", ["bhv2", "h5", "mat"])
def test_a_file_that_is_no_log_is_refused_by_what_it_lacks(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    write_behavior(path, {"codes": np.ones((3, 4)), "ids": "abc"})
    expect(path, "holds no trials of MonkeyLogic")
    with pytest.raises(InputError, match="holds no trials"):
        read_log(path, Events(), alone=True)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"onset_words": (1, 4)}, r"1 to 4 after the word 5 of fixation.*most frequent are 9 \(61 times\)"),
        ({"onset_words": (3000, 3100)}, "3000 to 3100"),
        ({"fixation_word": 77}, "after the word 77 of fixation"),
    ],
)
def test_a_log_without_image_words_is_refused_by_its_words(tmp_path, rig, settings, what):
    path = tmp_path / "a.bhv2"
    write_bhv2(path, behavior_tree(rig.log))
    with pytest.raises(InputError, match=what) as error:
        read_log(path, Events(**settings))
    assert "events.onset_words" in error.value.hint
    assert len(read_log(path, Events(**settings), alone=True)) == 0
