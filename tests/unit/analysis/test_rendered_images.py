"""Latents beside the images that were shown: what belongs together passes, what does not is refused."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from evoalign.analysis.session.rendered_images import check_rendered
from evoalign.errors import InputError
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.spaces.interface import to_bytes
from evoalign.spaces.registry import get_space

N = 20


def block_of(space, spread=1.0, seed=0, n=N):
    """A block's latents, as of founders or of a search that has come together, and their images."""
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal(space.latent_dim) + spread * rng.standard_normal((n, space.latent_dim))
    pixels = list(to_bytes(space.render(torch.from_numpy(codes))))
    return codes, [f"image{row}" for row in range(n)], pixels


def contents_of(codes, names, pixels):
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    frame = pd.DataFrame({"image": names, "block": 1, "thread": 0, "reference": False})
    contents = SessionContents(
        SessionMetadata("s1", "A"), start, presentations=frame, latents={(1, 0): (codes, names)}
    )
    contents.images = dict(zip(names, pixels, strict=True))
    return contents


def masked(pixels):
    """As a screen shows it: smaller, behind a circle, with less contrast, as JPEG would blur it."""
    image = np.asarray(Image.fromarray(pixels).resize((60, 60)).resize((90, 90)), float)
    row, column = np.mgrid[:90, :90]
    outside = (row - 45) ** 2 + (column - 45) ** 2 > 40**2
    image[outside] = 128
    return (0.6 * image + 40).astype(np.uint8)


@pytest.mark.parametrize("name", ["texture", "object"])
@pytest.mark.parametrize("spread", [1.0, 0.2])
def test_images_that_latents_render_pass_also_as_a_screen_changes_them(name, spread):
    space = get_space(name)
    codes, names, pixels = block_of(space, spread)
    for images in (pixels, [masked(one) for one in pixels], [one.mean(2).astype(np.uint8) for one in pixels]):
        check_rendered(contents_of(codes, names, images), 1, 0, name, space)


@pytest.mark.parametrize("name", ["texture", "object"])
@pytest.mark.parametrize("wrong", ["shifted", "another session", "another space"])
def test_images_of_other_latents_are_refused_with_their_number(name, wrong):
    space = get_space(name)
    codes, names, pixels = block_of(space, 0.3)
    if wrong == "shifted":
        pixels = pixels[1:] + pixels[:1]
    elif wrong == "another session":
        pixels = block_of(space, 0.3, seed=7)[2]
    else:
        pixels = block_of(get_space("object" if name == "texture" else "texture"), 0.3)[2]
    with pytest.raises(InputError, match=r"of 12 images of block 1, thread 0, are not what") as caught:
        check_rendered(contents_of(codes, names, pixels), 1, 0, name, space)
    assert "s1" in caught.value.where and "`spaces`" in caught.value.hint


def test_few_images_and_latents_of_another_length_are_not_compared():
    space = get_space("texture")
    codes, names, pixels = block_of(space, n=5)
    check_rendered(contents_of(codes, names, pixels[::-1]), 1, 0, "texture", space)
    codes, names, pixels = block_of(space)
    check_rendered(contents_of(codes[:, :-1], names, pixels[::-1]), 1, 0, "texture", space)
    check_rendered(contents_of(codes, names, pixels[::-1]), 2, 0, "texture", space)


def test_chance_passes_in_less_than_1_of_100_blocks_of_six():
    space = get_space("texture")
    rng = np.random.default_rng(3)
    codes, names, pixels = block_of(space, n=6)
    passed = 0
    for _ in range(300):
        order = rng.permutation(6)
        try:
            check_rendered(contents_of(codes, names, [pixels[row] for row in order]), 1, 0, "texture", space)
            passed += (order != np.arange(6)).sum() > 1
        except InputError:
            pass
    assert passed <= 3
