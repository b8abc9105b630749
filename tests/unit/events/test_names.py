"""Image names of the study, of tuning sessions and of other labs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoalign.errors import InputError
from evoalign.events.log import read_log
from evoalign.events.names import AxisName, ImageName, image_stem, parse_axis_name, parse_image_name
from evoalign.events.settings import Events
from evoalign.evolution.loop import image_name

number = st.integers(0, 999_999)


@given(block=st.integers(1, 9999), thread=st.integers(0, 99), index=number, reference=st.booleans())
def test_names_that_the_loop_gives_are_read_back(block, thread, index, reference):
    name = image_name(block, thread, index, reference)
    told = parse_image_name(name + ".png")
    assert told == ImageName(block, thread, block - 1, index, reference)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("block003_thread001_gen_gen002_000123", ImageName(3, 1, 2, 123, False)),
        (r"N:\Stimuli\2020\block027_thread000_gen_gen026_001699.bmp", ImageName(27, 0, 26, 1699, False)),
        ("/data/block048_thread001_gen_gen047_003114.JPG", ImageName(48, 1, 47, 3114, False)),
        ("block001_thread000_nat_monkey_face", ImageName(1, 0, -1, -1, True)),
        ("texture_12_nat", ImageName(-1, -1, -1, -1, True)),
        ("noise_eig3_lin0.24", None),
        ("block003_thread001_gen_gen002_000123_copy", None),
        ("", None),
    ],
)
def test_known_names(name, told):
    assert parse_image_name(name) == told


@pytest.mark.parametrize("sign", ["", "-", "+"])
@pytest.mark.parametrize("kind", ["eig", "exp"])
def test_tuning_names(sign, kind):
    told = parse_axis_name(f"class_{kind}12_lin{sign}0.40.jpg")
    assert told == AxisName("class", 12, -0.4 if sign == "-" else 0.4)
    assert parse_axis_name("class_eig12_sph0.4") is None
    assert parse_axis_name("class_eig12_lin") is None


def test_another_labs_pattern():
    pattern = r"g(?P<block>\d+)-t(?P<thread>\d)-(?P<index>\d+)(?P<reference>-ref)?"
    assert parse_image_name("x/g12-t1-0033.png", pattern) == ImageName(12, 1, -1, 33, False)
    assert parse_image_name("g12-t1-0033-ref", pattern).reference
    assert parse_image_name("block003_thread001_gen_gen002_000123", pattern) is None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("(", "no regular expression"), (r"(?P<block>\d+)", r"lacks the groups \['thread', 'index'\]")],
)
def test_a_wrong_pattern_is_an_input_error(pattern, text):
    with pytest.raises(InputError, match=text):
        parse_image_name("a", pattern)


def test_a_group_without_number_is_an_input_error():
    with pytest.raises(InputError, match="holds no number"):
        parse_image_name("a-b-c", r"(?P<block>\w)-(?P<thread>\w)-(?P<index>\w)")


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_none(name):
    told = parse_image_name(name)
    assert told is None or isinstance(told, ImageName)
    assert parse_axis_name(name) is None or "_lin" in name


@given(st.text(st.characters(exclude_characters="./\\", categories=("L", "N")), min_size=1))
def test_stem_takes_folder_and_suffix_off(stem):
    assert image_stem(f"C:\\a b\\{stem}.PNG") == stem == image_stem(f"/x/{stem}.jpeg")


@given(
    st.sampled_from(["class", "noise"]),
    st.integers(0, 4095),
    st.floats(-1, 1).map(lambda d: round(d, 2)),
    st.sampled_from(["eig", "exp"]),
    st.sampled_from(["", ".png", ".bmp"]),
)
def test_axis_names_come_back_as_written(subspace, axis, distance, kind, suffix):
    found = parse_axis_name(f"N:\\Stimuli\\{subspace}_{kind}{axis}_lin{distance:.2f}{suffix}")
    assert (found.subspace, found.axis, found.distance) == (subspace, axis, distance)


def test_a_log_of_axis_images_belongs_to_no_evolution(tmp_path):
    names = ["class_eig0_lin0.00", "class_eig0_lin0.16.png", "noise_eig40_lin-0.40"]
    rows = [f"1\t{name}\t{101 + i}\t{i}.0\t{i}.1" for i, name in enumerate(names)]
    (tmp_path / "log.tsv").write_text(
        "\n".join(["trial\timage\tonset_word\tonset_s\toffset_s", *rows]) + "\n"
    )
    log = read_log(tmp_path / "log.tsv", Events())
    assert log["image"].tolist() == ["class_eig0_lin0.00", "class_eig0_lin0.16", "noise_eig40_lin-0.40"]
    assert (log[["block", "thread", "latent_row"]] == -1).all(axis=None) and not log["reference"].any()
