"""Files that share a name are two images, or one refusal in the log's rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evoalign.errors import InputError
from evoalign.events.distinct_names import distinct_names
from evoalign.events.latent_codes import check_images
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.nwb.images import ImageFolder

FACES = [rf"C:\stimuli\faces\{k}.jpg" for k in range(5)] + [rf"C:\stimuli\places\{k}.jpg" for k in range(5)]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["faces/1.jpg", "places/1.jpg", "cat.png"], ["faces_1", "places_1", "cat"]),
        ([r"N:\a\faces\1.bmp", r"n:\A\faces\1.BMP"], ["1", "1"]),  # one file of Windows
        (["a/x/1.png", "b/x/1.png", "b/y/1.png"], ["a_x_1", "b_x_1", "b_y_1"]),
        (["faces/1.jpg", "1.jpg", "1"], ["1", "1", "1"]),  # the only one of its name
        (["Cat.png", "cat.png"], ["Cat", "cat"]),  # case counts
        (["", "./1.png", "1.png"], ["", "1", "1"]),
        # The study's names are unique: where a task kept its references says nothing.
        (["one/block001_thread000_gen_gen000_000001.bmp", "two/block001_thread000_gen_gen000_000001.bmp"],
         ["block001_thread000_gen_gen000_000001"] * 2),
        (["one/monkey_nat.bmp", "two/monkey_nat.bmp"], ["monkey_nat"] * 2),
    ],
)  # fmt: skip
def test_a_name_holds_the_folders_that_tell_it_apart(paths, names):
    assert distinct_names(paths) == names


@pytest.mark.parametrize(
    ("paths", "text"),
    [
        (["cat.png", "cat.jpg"], "differ in their suffix alone"),
        (["faces/1.jpg", "places/1.jpg", "1.jpg"], "'1.jpg' could be any of 2 images"),
        (["faces/1.jpg", "places/1.jpg", "faces_1.jpg"], "both be called 'faces_1'"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_once(paths, text):
    with pytest.raises(InputError, match=text) as error:
        distinct_names(paths, where="log.tsv")
    assert error.value.where == "log.tsv"
    assert error.value.hint


@given(st.lists(st.lists(st.sampled_from(["a", "b", "A"]), min_size=1, max_size=4), min_size=1, max_size=6))
def test_as_many_names_as_files(parts):
    paths = ["/".join(["root", *folders]) + ".png" for folders in parts]
    try:
        names = distinct_names(paths)
    except InputError:
        return
    assert len(set(names)) == len(set(paths))


def test_ten_images_of_two_folders_are_ten(tmp_path):
    rows = [f"{1 + i}\t{FACES[i % 10]}\t101\t{i}.0\t{i}.5" for i in range(40)]
    (tmp_path / "log.tsv").write_text("\n".join(["trial\timage\tonset_word\tonset_s\toffset_s", *rows]))
    log = read_log(tmp_path / "log.tsv", Events())
    assert log["image"].value_counts().tolist() == [4] * 10
    for i, path in enumerate(FACES):
        folder, name = path.split("\\")[-2:]
        file = tmp_path / "images" / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), 20 * i, np.uint8)).save(file.with_suffix(".png"))
    check_images(log, tmp_path / "images")
    images = ImageFolder(tmp_path / "images", sorted(set(log["image"])))
    assert [int(images[name].mean()) for name in images] == [20 * i for i in range(10)]
    # The same names without folders in the log could be either: refused before anything is sorted.
    with pytest.raises(InputError, match="image '1' stands twice"):
        check_images(log.assign(image="1"), tmp_path / "images")


def save(path, values, dtype):
    Image.fromarray(np.asarray(values).astype(dtype)).save(path)


@pytest.mark.parametrize(("suffix", "dtype"), [("png", "<u2"), ("tif", "<u2"), ("tif", ">u2")])
def test_sixteen_bit_grey_is_scaled_white_to_white(tmp_path, suffix, dtype):
    eight = np.arange(256).reshape(16, 16)
    save(tmp_path / f"a.{suffix}", eight * 257, dtype)
    save(tmp_path / f"b.{suffix}", np.full((8, 8), 124 * 257 + 100), dtype)
    images = ImageFolder(tmp_path, ["a", "b"])
    assert images["a"].dtype == np.uint8
    np.testing.assert_array_equal(images["a"], eight)
    assert images["b"].mean() == 124


@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("values", [0.5, 124.0, 31868.0])
def test_images_without_a_known_white_are_refused(tmp_path, dtype, values):
    save(tmp_path / "a.tif", np.full((4, 4), values), dtype)
    with pytest.raises(InputError, match="whose white is not known") as error:
        ImageFolder(tmp_path, ["a"])["a"]
    assert "8-bit PNG" in error.value.hint


@pytest.mark.parametrize(("mode", "value"), [("1", 1), ("P", 3), ("CMYK", (0, 0, 0, 0)), ("LA", (124, 255))])
def test_other_kinds_of_eight_bits_are_read_as_before(tmp_path, mode, value):
    Image.new(mode, (4, 4), value).save(tmp_path / "a.tif")
    assert ImageFolder(tmp_path, ["a"])["a"].shape == (4, 4, 3)
