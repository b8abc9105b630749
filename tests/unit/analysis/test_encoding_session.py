"""The encoding of whole sessions: tables, evidence, checkpoints and errors."""

import numpy as np
import pandas as pd
import pytest
import torch

from evoalign import tables
from evoalign.analysis.encoding import encode_session, fitting, to_dataset
from evoalign.analysis.encoding.stream import Checkpoint, digest, pieces
from evoalign.analysis.pooling.encoding import pool_encoding
from evoalign.errors import InputError
from evoalign.responses.session_responses import SessionResponses
from evoalign.spaces.hessian import Eigenframe, save_eigenframe
from evoalign.study import Config

DIMS = (12, 10)
SWITCH_MS = 120


def small_session(seed=0, n_units=3, gain=400.0):
    """Units that follow texture latents before 120 ms and object latents after it; the last is deaf."""
    rng = np.random.default_rng(seed)
    rows, codes, drive = [], {}, []
    weights = [rng.standard_normal((n_units, d)) / d**0.5 for d in DIMS]
    for block in range(1, 16):
        for thread in (0, 1):
            z = rng.standard_normal((12, DIMS[thread]))
            names = [f"block{block:03d}_thread{thread:03d}_{i}" for i in range(12)]
            codes[block, thread] = (z, names)
            rows += [(block, thread, ("texture", "object")[thread], i, n) for i, n in enumerate(names)]
            drive.append(z @ weights[thread].T)
    shown = pd.DataFrame(rows, columns=["block", "thread", "space", "latent_row", "image"])
    shown = shown.assign(reference=False, valid=True)
    time = np.arange(-50, 250)
    early = (time >= 50) & (time < SWITCH_MS)
    late = (time >= SWITCH_MS) & (time < 200)
    on = np.where(shown["thread"].to_numpy()[:, None] == 0, early, late)
    rate = 10 + gain / (1 + np.exp(-3 * np.concatenate(drive).T))[:, :, None] * on
    rate[-1] = 20
    units = pd.DataFrame(
        {"unit": np.arange(n_units) + 5, "kind": "sorted", "area": "IT", "preferred": np.arange(n_units) == 0}
    )
    return SessionResponses(
        counts=rng.poisson(rate / 1000).astype(np.uint16), start_ms=-50, units=units, presentations=shown,
        session=f"s{seed}", subject="A", area="IT", codes=codes,
    )  # fmt: skip


def config(**changed):
    encoding = {
        "width_ms": 20, "step_ms": 20, "n_permutations": 60, "n_bootstrap": 200, "n_alphas": 30,
        "projection_dims": (4,), **changed,
    }  # fmt: skip
    return Config.model_validate({"encoding": encoding, "device": "cpu"})


def frames():
    rng = np.random.default_rng(0)
    return {
        name: Eigenframe(name, np.arange(d, 0, -1.0), np.linalg.qr(rng.standard_normal((d, d)))[0])
        for name, d in zip(("texture", "object"), DIMS, strict=True)
    }


@pytest.fixture(scope="module")
def encoded():
    return encode_session(small_session(), config(), frames())


def test_planted_switch_and_deaf_unit_are_found(encoded):
    crossing = encoded["encoding_crossover"].query("scheme == 'image' and projection == 'full'")
    assert crossing["crossover_ms"].tolist()[:2] == [SWITCH_MS, SWITCH_MS]
    assert np.isnan(crossing["crossover_ms"].iloc[2]) and crossing["reason"].iloc[2]
    assert (crossing["reason"].iloc[:2] == "").all()
    assert (crossing["low_ms"].iloc[:2] <= SWITCH_MS).all() and (
        crossing["high_ms"].iloc[:2] >= SWITCH_MS
    ).all()
    assert (crossing["q_texture"] < 0.06).tolist() == [True, True, False]
    index = encoded["encoding_index"].query("scheme == 'image' and projection == 'full' and unit == 5")
    early = index[index["start_ms"].between(60, 100)]
    late = index[index["start_ms"].between(120, 180)]
    assert (early["index"] < -0.5).all() and (late["index"] > 0.5).all()
    assert early["explained"].all() and late["explained"].all() and index["tested"].all()
    assert (early["high"] < early["equal_low"]).all() and (late["low"] > late["equal_high"]).all()
    assert (index["low"] <= index["index"]).all() and (index["index"] <= index["high"]).all()


def test_every_model_window_unit_and_space_has_its_row(encoded):
    table = encoded["encoding"]
    keys = ["unit", "space", "scheme", "projection", "start_ms"]
    assert not table.duplicated(keys).any()
    assert len(table) == 3 * 2 * 2 * 4 * 10
    permuted = table["scheme"].eq("image") & table["projection"].eq("full")
    assert table.loc[permuted, "p"].notna().all() and table.loc[~permuted, "p"].isna().all()
    assert set(table.loc[table["projection"] == "full", "n_features"]) == set(DIMS)
    weights = encoded["encoding_weights"]
    assert set(weights["unit"]) == {5} and len(weights) == 10 * sum(DIMS)
    spectrum = encoded["encoding_spectrum"].query("unit == 5 and space == 'object' and start_ms == 140")
    assert spectrum["share"].sum() == pytest.approx(1, abs=1e-6)
    assert spectrum["rank_last"].max() == DIMS[1] - 1


def test_mean_rates_are_those_of_the_presentations_of_their_row():
    responses = small_session()
    shown = responses.presentations
    responses.counts[:, (shown["thread"] == 1).to_numpy()] += 1  # objects drive a spike more each ms
    once = {"schemes": ("image",), "projections": ("full",), "n_permutations": 0}
    table = encode_session(responses, config(**once, permuted_schemes=(), permuted_projections=()), frames())
    for row in table["encoding"].itertuples():
        at = slice(row.start_ms + 50, row.stop_ms + 50)
        rows = (shown["space"] == row.space).to_numpy()
        counts = responses.counts[row.unit - 5][rows][:, at]
        assert row.n == len(counts)
        assert row.rate_hz == pytest.approx(1000 * counts.mean(), rel=1e-6)


def test_tables_keep_their_contracts_and_become_a_dataset(encoded):
    for name, frame in encoded.items():
        pd.testing.assert_frame_equal(tables.conform(frame, tables.contract_of(name)), frame)
    dataset = to_dataset(encoded["encoding"])
    assert dict(dataset.sizes) == {"session": 1, "unit": 3, "kind": 2, "model": 8, "start_ms": 10}
    cell = dataset["r2"].sel(unit=5, kind="object", model="image full", start_ms=140)
    row = encoded["encoding"].query(
        "unit == 5 and kind == 'object' and scheme == 'image' and projection == 'full' and start_ms == 140"
    )
    assert float(cell.squeeze()) == row["r2"].iloc[0]
    assert dataset["rate_hz"].attrs["units"] == "spikes/s"


def test_a_killed_job_resumes_with_the_same_tables(tmp_path, monkeypatch):
    responses, settings = small_session(1), config(schemes=("image",), projections=("full",))
    monkeypatch.setattr("evoalign.analysis.encoding.stream.ROWS_A_PIECE", 1000)  # a unit a piece
    whole = encode_session(responses, settings, frames())
    calls, real = [], fitting.null_r2

    def dies_in_the_fourth(*arguments, **named):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(fitting, "null_r2", dies_in_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        encode_session(responses, settings, frames(), checkpoint=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    resumed = encode_session(responses, settings, frames(), checkpoint=tmp_path)
    assert len(calls) == 4 + 3  # six pieces in all, three of them found on disk
    for name, frame in whole.items():
        tables.write(frame, tables.contract_of(name), tmp_path / "whole.parquet")
        tables.write(resumed[name], tables.contract_of(name), tmp_path / "resumed.parquet")
        assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "resumed.parquet").read_bytes()


def test_pieces_of_another_job_or_a_broken_file_are_not_taken(tmp_path, caplog):
    kept = Checkpoint(tmp_path)
    first = kept.get(digest(np.arange(3), 1), lambda: {"a": np.ones(2)})
    assert first[1] and not kept.get(digest(np.arange(3), 1), lambda: {"a": np.zeros(2)})[1]
    assert kept.get(digest(np.arange(3), 2), lambda: {"a": np.zeros(2)})[1]
    assert digest(np.arange(3)) != digest(np.arange(3.0)) != digest(np.arange(3).reshape(3, 1))
    next(tmp_path.iterdir()).write_bytes(b"PK broken")
    for key in (digest(np.arange(3), 1), digest(np.arange(3), 2)):
        kept.get(key, lambda: {"a": np.ones(2)})
    assert "computed anew" in caplog.text


def test_memory_changes_no_result_and_pieces_cover_all_units():
    responses = small_session(2)
    found = [
        encode_session(responses, config(schemes=("image",), projections=("full",), memory_gb=gb), frames())
        for gb in (0.05, 4.0)
    ]
    pd.testing.assert_frame_equal(found[0]["encoding"], found[1]["encoding"], atol=1e-9)
    for units, windows, permutations, gb in ((128, 200, 1000, 8.0), (1, 1, 0, 0.05), (7, 20, 1000, 0.05)):
        runs = pieces(units, windows, permutations, gb)
        assert [s.start for s in runs[1:]] == [s.stop for s in runs[:-1]]
        assert runs[0].start == 0 and runs[-1].stop == units


def renamed(tables, session):
    return {name: frame.assign(session=session) for name, frame in tables.items()}


def test_pooling_takes_all_units_and_tests_the_crossover_over_sessions(encoded):
    settings = config()
    more = [
        encode_session(small_session(seed), config(schemes=("image",), projections=("full",)), frames())
        for seed in range(3, 7)
    ]
    pooled = pool_encoding([encoded, *more], settings)
    for name, frame in pooled.items():
        tables.conform(frame, tables.contract_of(name))
    main = pooled["population_encoding"].query("scheme == 'image' and projection == 'full'")
    assert set(main["n"]) == {15} and set(main["n_sessions"]) == {5} and set(main["n_explained"]) <= {10, 11}
    early, late = main[main["start_ms"].between(60, 100)], main[main["start_ms"].between(120, 180)]
    assert (early["high"] < early["equal_low"]).all() and (late["low"] > late["equal_high"]).all()
    before = main[main["start_ms"] < 40]
    assert (before["index"].between(before["equal_low"] - 0.3, before["equal_high"] + 0.3)).all()
    crossing = pooled["population_encoding_crossover"].query("scheme == 'image' and projection == 'full'")
    assert crossing["reason"].tolist() == [""]
    assert crossing["crossover_ms"].iloc[0] == pytest.approx(SWITCH_MS, abs=10)
    assert np.isnan(crossing["low_ms"].iloc[0])  # five sessions are too few for an interval
    assert crossing["unit_median_ms"].iloc[0] == pytest.approx(SWITCH_MS, abs=20)
    units = pooled["encoding_units"].query("scheme == 'image' and projection == 'full'")
    assert set(units["session"]) == {"s0", "s3", "s4", "s5", "s6"} and len(units) == 15
    empty = pool_encoding([], settings)
    assert all(len(frame) == 0 for frame in empty.values())


def test_an_area_of_few_sessions_has_no_crossover_and_the_reason_is_said(encoded):
    pooled = pool_encoding([encoded, renamed(encoded, "again")], config())
    crossing = pooled["population_encoding_crossover"].query("projection == 'full'")
    assert crossing["crossover_ms"].isna().all()
    assert set(crossing["reason"]) == {"fewer than 5 sessions"}


def test_models_without_permutations_say_nothing_of_what_is_explained():
    found = encode_session(small_session(7), config(n_permutations=0, projections=("full",)), frames())
    index = found["encoding_index"]
    assert not index["explained"].any() and not index["tested"].any()
    pooled = pool_encoding([found], config())["population_encoding"]
    assert pooled["n_explained"].isna().all() and np.isfinite(pooled["index"]).all()


def test_no_window_of_a_null_session_is_explained_more_often_than_said():
    hits = []
    for seed in range(20, 32):
        null = small_session(seed, gain=0.0)
        found = encode_session(
            null, config(schemes=("image",), projections=("full",), n_permutations=99), frames()
        )
        hits += found["encoding_index"].groupby("unit")["explained"].any().tolist()
    # 36 units at 5 %: 6 or more with probability 0.01.
    assert sum(hits) < 6


def test_swapped_threads_give_the_same_shares_and_index():
    responses = small_session(8)
    settings = config(schemes=("image",), projections=("full",), n_permutations=0)
    wanted = encode_session(responses, settings, frames())
    table = responses.presentations
    responses.presentations = table.assign(thread=1 - table["thread"])
    responses.codes = {(block, 1 - thread): code for (block, thread), code in responses.codes.items()}
    found = encode_session(responses, settings, frames())
    pd.testing.assert_frame_equal(found["encoding_index"], wanted["encoding_index"])
    pd.testing.assert_frame_equal(found["encoding_crossover"], wanted["encoding_crossover"])


def test_dependence_on_order_unknown_responses_and_constant_latents_are_said(caplog):
    responses = small_session(9)
    for (_, thread), (z, _) in responses.codes.items():
        if thread == 1:
            z[:] = 0.5
        else:
            z += np.linspace(-2, 2, len(z))[:, None]
    found = encode_session(responses, config(schemes=("image",), projections=("full",)), frames())
    assert "texture: latents depend on the order of display within blocks" in caplog.text
    assert "object: all latents are equal" in caplog.text
    order = found["encoding_order"].set_index("kind")
    assert order.loc["texture", "position_p"] < 0.01 and np.isnan(order.loc["object", "position_p"])
    assert found["encoding"].query("kind == 'object'")["linear_share"].isna().all()
    assert found["encoding_index"]["index"].isna().all()


def test_a_session_without_units_of_the_kind_gives_empty_tables():
    found = encode_session(small_session(), config(unit_kinds=("online",)), frames())
    assert all(len(frame) == 0 for frame in found.values())


def test_eigenframes_come_from_the_configuration(tmp_path):
    responses = small_session(4)
    for name, frame in frames().items():
        save_eigenframe(frame, tmp_path / name)
    paths = {name: str(tmp_path / f"{name}.npz") for name in ("texture", "object")}
    settings = config(eigenframes=paths, schemes=("image",), projections=("top",), n_permutations=0)
    found = encode_session(responses, settings)["encoding"]
    given = encode_session(responses, settings, frames())["encoding"]
    pd.testing.assert_frame_equal(found, given)
    with pytest.raises(InputError, match="is of space 'object', not 'texture'"):
        encode_session(responses, config(eigenframes={"texture": paths["object"]}))


def break_codes(responses):
    del responses.codes[3, 1]


def shorten_codes(responses):
    responses.codes[3, 1] = (responses.codes[3, 1][0][:5], [])


def spoil_codes(responses):
    responses.codes[3, 1][0][0, 0] = np.nan


def widen_codes(responses):
    responses.codes[3, 1] = (np.zeros((12, 99)), [])


def hide_thread(responses):
    responses.presentations["valid"] = responses.presentations["thread"] == 0


def cut_counts(responses):
    responses.counts = responses.counts[:, :, :200]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (break_codes, "latents of this block are missing"),
        (shorten_codes, r"latent row 11 in codes of shape \[5, 10\]"),
        (spoil_codes, "NaN or infinity"),
        (widen_codes, r"several dimensions: \[10, 99\]"),
        (hide_thread, "no valid presentation"),
        (cut_counts, "counts reach from -50 to 150 ms"),
    ],
)
def test_bad_sessions_are_refused(change, message):
    responses = small_session(5)
    change(responses)
    with pytest.raises(InputError, match=message):
        encode_session(responses, config(), frames())


def test_windows_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="no window of 20 ms fits 0 to 10 ms"):
        encode_session(small_session(), config(window_ms=(0, 10)), frames())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_cuda_gives_the_tables_of_the_processor(encoded):
    settings = config()
    found = encode_session(small_session(), settings.model_copy(update={"device": "cuda"}), frames())
    for name, frame in encoded.items():
        # p may move by a permutation or two whose R2 differs from the data's by rounding.
        pd.testing.assert_frame_equal(
            found[name], frame, rtol=1e-4, atol=0.05 if name == "encoding" else 1e-4
        )


def test_a_frame_of_leading_directions_gives_no_projection_that_it_does_not_know():
    whole = frames()
    cut = {name: Eigenframe(name, f.values[:3], f.vectors[:, :3]) for name, f in whole.items()}
    for frame in cut.values():
        np.testing.assert_allclose(frame.basis.T @ frame.basis, np.eye(len(frame.basis)), atol=1e-9)
        np.testing.assert_array_equal(frame.basis[:, :3], frame.vectors)
    settings = config(projection_dims=(2, 4), n_permutations=0)
    found = encode_session(small_session(), settings, cut)["encoding"]
    texture = found[(found["space"] == "texture") & (found["scheme"] == "image")]
    models = set(zip(texture["projection"], texture["n_features"], strict=True))
    assert ("top", 2) in models and ("top", 4) not in models
    assert {("bottom", 2), ("bottom", 4)} <= models
    exact = encode_session(small_session(), settings, whole)["encoding"]

    def r2(table, projection):
        own = (table["space"] == "texture") & (table["scheme"] == "image") & (table["n_features"] == 2)
        return table.loc[own & (table["projection"] == projection), "r2"].to_numpy()

    np.testing.assert_allclose(r2(found, "top"), r2(exact, "top"))
    assert not np.allclose(r2(found, "bottom"), r2(found, "top"))
