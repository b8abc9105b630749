"""Latents and features of images from tables: of another lab's evolution, and of sessions that are none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict
from test_encoding_session import config, frames, small_session

from evoalign.analysis.encoding import encode_session
from evoalign.analysis.encoding.design import window_rates, windows_of
from evoalign.analysis.encoding.features import ceiling_of_means
from evoalign.analysis.session.analyse import analyse_session
from evoalign.errors import InputError
from evoalign.figures.captions import FigureSettings
from evoalign.figures.sets import FEATURE_FIGURES, draw_all
from evoalign.nwb.latent_tables import names_of_spaces, read_latent_table, with_latents
from evoalign.responses.session_responses import SessionResponses
from evoalign.sheet import load_sessions

ONE_WINDOW = {
    "window_ms": (50, 200), "width_ms": 150, "step_ms": 150, "projections": ("full",), "crossover_bins": 1,
}  # fmt: skip


def save_table(path, names, vectors):
    """A table of image and vector as its suffix says."""
    if path.suffix == ".npz":
        np.savez(path, images=np.array(names), latents=vectors)
    else:
        frame = pd.DataFrame(vectors, columns=[f"v{k}" for k in range(vectors.shape[1])])
        frame.insert(0, "image", names)
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
    return str(path)


def localizer(n_images, repeats, n_units, rng, features=None, gain=6.0, by_image=0.0):
    """Units linear in features, and selective beside them by `by_image`; counts of Poisson spikes."""
    features = rng.standard_normal((n_images, 8)) if features is None else features
    weights = rng.standard_normal((features.shape[1], n_units)) / features.shape[1] ** 0.5
    drive = gain * features @ weights + by_image * rng.standard_normal((n_images, n_units))
    image = rng.permutation(np.repeat(np.arange(n_images), repeats))
    rate = np.clip(40 + drive[image].T, 1, None)
    counts = rng.poisson(rate[:, :, None] / 1000 * np.ones(300)).astype(np.uint16)
    shown = pd.DataFrame({"image": [f"im{k:03}" for k in image], "onset_s": np.arange(len(image)) * 0.3})
    shown = shown.assign(
        block=-1, thread=-1, space="", latent_row=-1, reference=False, valid=True, reason="", trial=1
    )
    units = pd.DataFrame({"unit": np.arange(n_units) + 5, "kind": "sorted", "area": "IT", "preferred": False})
    return SessionResponses(counts, -50, units, shown, "loc", "A", "IT", {}), features


def with_features(responses, features, path, spaces=("gabor",)):
    names = [f"im{k:03}" for k in range(len(features))]
    presentations, codes = with_latents(responses.presentations, [save_table(path, names, features)], spaces)
    return replace(responses, presentations=presentations, codes=codes, spaces=spaces)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".tsv"])
def test_a_table_of_vectors_is_read_whatever_its_form(suffix, tmp_path):
    names, vectors = ["007", "NA", "face a"], np.random.default_rng(0).standard_normal((3, 4))
    table = read_latent_table(save_table(tmp_path / f"t{suffix}", names, vectors))
    assert list(table) == names
    np.testing.assert_allclose(np.stack(list(table.values())), vectors, rtol=1e-15)


BAD = {
    "no file": (None, "cannot be read"),
    "text": ("image,a\nx,1\ny,high\n", "'high' is no number"),
    "an empty cell": ("image,a\nx,1\ny,\n", "'' is no number"),
    "infinity": ("image,a\nx,1\ny,inf\n", "image 'y' holds NaN or infinity"),
    "twice": ("image,a\nx,1\nx,2\n", "image 'x' stands twice"),
    "no vector": ("image\nx\n", "no matrix of numbers"),
    "no images": ("image,a\n", "no matrix of numbers"),
    "another first column": ("name,a\nx,1\n", "'name', not 'image'"),
    "a row too long": ("image,a\nx,1\ny,1,2\n", "cannot be read"),
}


@pytest.mark.parametrize("way", BAD)
def test_what_is_no_table_of_vectors_is_refused(way, tmp_path):
    content, message = BAD[way]
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_latent_table(path)
    assert caught.value.hint and str(path) in str(caught.value)


def test_an_npz_of_other_arrays_objects_or_counts_is_refused(tmp_path):
    for arrays, message in [
        ({"latents": np.zeros((2, 3))}, "lacks the arrays"),
        ({"images": np.array(["a"]), "latents": np.zeros((2, 3))}, "1 images but 2 vectors"),
        ({"images": np.arange(2), "latents": np.zeros((2, 3))}, "no list of texts"),
        ({"images": np.array(["a", "b"]), "latents": np.array([None, 1], object)}, "cannot be read"),
        ({"images": np.array(["a", "b"]), "latents": np.array(["1", "2"])[:, None]}, "no matrix of numbers"),
    ]:
        np.savez(tmp_path / "t.npz", **arrays)
        with pytest.raises(InputError, match=message):
            read_latent_table(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"nwb": "a.nwb", "latents": "codes"}, "are tables"),
        ({"nwb": "a.nwb", "latents": "a.csv;b.csv;c.csv"}, "or two"),
        ({"raw": "a.plx", "latents": "a.csv"}, "one folder"),
        ({"raw": "a.plx", "latents": "a;b"}, "one folder"),
        ({"nwb": "a.nwb", "latents": "s3://lab/a.csv"}, "local paths"),
        ({"nwb": "a.nwb", "latents": "there.csv;gone.csv"}, "'gone.csv' does not exist"),
    ],
)
def test_the_sheet_refuses_latents_of_another_kind(cells, message, tmp_path):
    row = {"session": "s", "subject": "m"} | cells
    sheet = tmp_path / "sessions.tsv"
    sheet.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    with pytest.raises(InputError, match=message):
        load_sessions(sheet, exists=lambda path: path != "gone.csv")


def test_an_evolution_of_another_lab_is_encoded_as_one_of_ours(tmp_path):
    ours = small_session()
    table = ours.presentations.assign(latent_row=-1, space="")
    paths = []
    for thread in (0, 1):
        parts = [codes for (_, t), codes in ours.codes.items() if t == thread]
        names = [name for _, ids in parts for name in ids]
        vectors = np.concatenate([z for z, _ in parts])
        order = np.random.default_rng(thread).permutation(len(names))
        paths.append(save_table(tmp_path / f"{thread}.npz", np.array(names)[order], vectors[order]))
    presentations, codes = with_latents(table, paths, ("texture", "object"))
    theirs = replace(ours, presentations=presentations, codes=codes)
    few = config(n_permutations=5, n_bootstrap=20)
    wanted, encoded = (encode_session(each, few, frames()) for each in (ours, theirs))
    assert all(len(wanted[name]) for name in ("encoding", "encoding_index", "encoding_spectrum"))
    for name, frame in wanted.items():
        pd.testing.assert_frame_equal(encoded[name], frame)


def test_images_without_a_vector_are_left_out_and_tables_of_other_images_refused(tmp_path):
    ours = small_session()
    codes, names = ours.codes[1, 0]
    some = save_table(tmp_path / "some.csv", names[:5], codes[:5])
    other = save_table(tmp_path / "other.csv", ["x", "y"], codes[:2])
    table = ours.presentations.assign(latent_row=-1)
    all_names = {
        n: z for (_, t), (v, ids) in ours.codes.items() if t == 1 for n, z in zip(ids, v, strict=True)
    }
    full = save_table(tmp_path / "full.npz", list(all_names), np.stack(list(all_names.values())))
    presentations, found = with_latents(table, [some, full], ("a", "b"))
    of_first = presentations["thread"] == 0
    assert (presentations["latent_row"] >= 0)[of_first].sum() == 5 and found[1, 0][1] == names[:5]
    with pytest.raises(InputError, match="none of the .* images of the session"):
        with_latents(table, [other, full], ("a", "b"))


def test_the_share_of_features_is_the_planted_one_and_r2_is_of_means(tmp_path):
    rng = np.random.default_rng(3)
    responses, features = localizer(120, 6, 40, rng, gain=6.0, by_image=6.0)
    responses = with_features(responses, features, tmp_path / "f.npz")
    settings = config(**ONE_WINDOW, n_permutations=0, permuted_schemes=(), permuted_projections=())
    table = encode_session(responses, settings, {})["encoding"]
    assert set(table["n"]) == {120} and set(table["scheme"]) == {"image"} and set(table["space"]) == {"gabor"}
    # Variance of an image's mean: 36 linear, 36 beside it, and Poisson noise of 40 spikes/s in .15 s over 6.
    planted = 36 / (36 + 36 + 40 / 0.15 / 6)
    assert table["linear_share"].mean() == pytest.approx(planted, abs=0.04)
    ceiling = (36 + 36) / (36 + 36 + 40 / 0.15 / 6)
    assert table["ceiling"].mean() == pytest.approx(ceiling, abs=0.05)
    shown = responses.presentations["image"].to_numpy()
    counts = responses.counts[:, :, 100:250].sum(-1) / 0.15
    means = np.stack([counts[:, shown == f"im{k:03}"].mean(1) for k in range(120)])
    predicted = cross_val_predict(
        LinearRegression(), features, means, cv=KFold(10, shuffle=True, random_state=0)
    )
    plain = r2_score(means, predicted, multioutput="raw_values")
    assert table["r2"].mean() == pytest.approx(plain.mean(), abs=0.03)
    assert np.corrcoef(table["r2"], plain)[0, 1] > 0.9


def test_selectivity_beside_the_features_is_not_called_an_encoding(tmp_path):
    rng = np.random.default_rng(4)
    responses, _ = localizer(40, 8, 200, rng, gain=0.0, by_image=8.0)
    responses = with_features(responses, rng.standard_normal((40, 8)), tmp_path / "f.npz")
    once = {"permuted_projections": ("full",), "n_permutations": 199, "n_bootstrap": 20}
    table = encode_session(responses, config(**ONE_WINDOW, **once), {})["encoding"]
    # A binomial of 200 units at .05 is below .09 in 99 of 100 runs.
    assert (table["p"] <= 0.05).mean() <= 0.09 and table["r2"].mean() < 0


def test_images_that_were_shown_once_have_the_ceiling_of_their_milliseconds(tmp_path):
    responses, features = localizer(60, 1, 3, np.random.default_rng(5))
    responses = with_features(responses, features, tmp_path / "f.csv")
    settings = config(**ONE_WINDOW)
    windows = windows_of(settings.encoding)
    rates = window_rates(responses.counts, responses.start_ms, windows)
    assert ceiling_of_means(rates, responses.counts, responses, windows, settings).source == "bins"


@pytest.mark.parametrize("n_tables", [1, 2])
def test_the_figure_of_features_has_no_empty_panel(n_tables, tmp_path):
    rng = np.random.default_rng(7)
    responses, features = localizer(60, 4, 5, rng, gain=15.0)
    names = [f"im{k:03}" for k in range(60)]
    paths = [save_table(tmp_path / f"f{k}.npz", names, features[:, k * 2 :]) for k in range(n_tables)]
    spaces = names_of_spaces(paths, ())
    presentations, codes = with_latents(responses.presentations, paths, spaces)
    responses = replace(responses, presentations=presentations, codes=codes, spaces=spaces)
    settings = config(n_permutations=40)
    found = analyse_session(responses, settings) | encode_session(responses, settings, {})
    options = FigureSettings(settings.analysis, settings.encoding, settings.tuning)
    (drawn,) = draw_all(found, options, FEATURE_FIGURES)
    drawn.figure.savefig(tmp_path / "f.png", dpi=60)
    assert len(drawn.figure.axes) == 3 and all(axes.has_data() for axes in drawn.figure.axes)
    assert "f0: 5 of 5" in drawn.caption and ("f1" in drawn.caption) == (n_tables == 2)
    assert set(drawn.source["c"]["space"]) == set(spaces)
