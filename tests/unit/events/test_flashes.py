"""Light that comes at another time than its word is never taken for none, whatever the square does."""

from dataclasses import replace

import numpy as np
import pytest

from evoalign.events.align import Alignment, align
from evoalign.events.photodiode import Photodiode
from evoalign.events.settings import Events
from evoalign.simulate.rig import RigSession, simulate_rig
from evoalign.simulate.rig_faults import NO_FAULTS, Faults

DELAYED = replace(NO_FAULTS, delay_ms=(0.0, 17.0), log_jitter_ms=0.2)


def moved(rig, shares_s, of="trial", share=0.1, seed=0):
    """Photodiode whose changes of a share of trials (or presentations) are moved, and the true onsets."""
    rng = np.random.default_rng(seed)
    group = rig.log["trial"].to_numpy() if of == "trial" else np.arange(len(rig.log))
    groups = np.unique(group)
    picked = rng.choice(groups, round(share * len(groups)), replace=False)
    shift_of = dict(zip(picked.tolist(), rng.uniform(*shares_s, len(picked)), strict=True))
    shift = np.array([shift_of.get(g, 0.0) for g in group.tolist()])

    def move(changes, true_s):
        return np.sort(changes + shift[np.abs(changes[:, None] - true_s).argmin(axis=1)])

    onset_s, offset_s = rig.truth["onset_s"].to_numpy(), rig.truth["offset_s"].to_numpy()
    light = Photodiode(move(rig.photodiode.on_s, onset_s), move(rig.photodiode.off_s, offset_s))
    return light, onset_s + shift, shift


def toggling(rig: RigSession, onsets_only: bool = False) -> Photodiode:
    """A square that changes sides at each onset and offset; a broken image has no offset."""
    truth = rig.truth
    changes = [truth["onset_s"]] if onsets_only else [truth["onset_s"], truth["offset_s"][~truth["broken"]]]
    times = np.sort(np.concatenate(changes))
    return Photodiode(times[::2], times[1::2])


def aligned(rig: RigSession, light: Photodiode) -> Alignment:
    return align(rig.log, rig.words, Events(), light, segments=rig.segments)


def n_wrong(result: Alignment, onset_s) -> int:
    p = result.presentations
    return int((p["valid"] & (np.abs(p["onset_s"] - onset_s) > 1e-3)).sum())


@pytest.mark.parametrize("faults", [DELAYED, Faults()], ids=["no faults", "all faults"])
@pytest.mark.parametrize("seed", range(3))
def test_trials_with_light_100_to_400_ms_late_are_never_valid_at_the_words_time(seed, faults):
    rig = simulate_rig(seed, n_presentations=1200, faults=faults)
    light, onset_s, shift = moved(rig, (0.1, 0.4), seed=seed)
    result = aligned(rig, light)
    assert n_wrong(result, onset_s) == 0
    p = result.presentations
    untouched = (shift == 0) & rig.truth["recorded"].to_numpy() & ~rig.truth["broken"].to_numpy()
    assert p["valid"][untouched].mean() > 0.99
    assert set(p["reason"][shift > 0]) <= {
        "",
        "photodiode later than 50 ms after the word",
        "light changed at a time that no presentation explains: it may be this one's",
        "inside a pause of the recording",
        "the recording ends too soon after the onset",
        "the trial broke while the image was shown",
        "no word and no photodiode",
    }


@pytest.mark.parametrize(
    ("shifts_s", "of"),
    [
        ((0.2, 0.2), "trial"),  # by one step: each light falls on the next word
        ((0.4, 0.4), "trial"),
        ((0.4, 1.2), "trial"),
        ((0.1, 0.4), "presentation"),
        ((0.4, 1.2), "presentation"),
        ((-0.2, -0.02), "trial"),  # words late
    ],
)
def test_light_moved_by_other_times_is_never_valid_at_the_words_time(shifts_s, of):
    rig = simulate_rig(4, n_presentations=1200, faults=DELAYED)
    light, onset_s, shift = moved(rig, shifts_s, of)
    result = aligned(rig, light)
    assert n_wrong(result, onset_s) == 0
    # The price: a neighbour or two of each, no more.
    assert result.presentations["valid"].sum() >= (
        1200 - (3.5 if of == "presentation" else 1.0) * (shift != 0).sum()
    )


def test_light_that_the_diode_missed_falls_back_to_the_word():
    rig = simulate_rig(5, n_presentations=1200, faults=replace(DELAYED, flash_missing=0.05))
    p = aligned(rig, rig.photodiode).presentations
    assert p["valid"].all()
    assert 40 < (p["onset_source"] == "word").sum() < 80


def test_a_missed_flash_beside_light_of_nothing_known_is_not_valid():
    rig = simulate_rig(6, n_presentations=1200, faults=DELAYED)
    on = rig.photodiode.on_s
    lost = np.arange(30, 1200, 60)
    near = on[lost] + 0.3  # a cursor, a reflection
    light = Photodiode(np.sort(np.append(np.delete(on, lost), near)), rig.photodiode.off_s)
    p = aligned(rig, light).presentations
    assert not p["valid"].iloc[lost].any()
    assert (p["reason"].iloc[lost].str.contains("no presentation explains")).all()
    assert p["valid"].mean() > 0.93


def test_a_flash_at_fixation_disturbs_none_that_the_diode_saw():
    rig = simulate_rig(7, n_presentations=1200, faults=DELAYED)
    first = rig.log.groupby("trial")["presentation"].min().to_numpy()
    fixation = rig.truth["onset_s"].to_numpy()[first] - 0.15
    light = Photodiode(
        np.sort(np.append(rig.photodiode.on_s, fixation)),
        np.sort(np.append(rig.photodiode.off_s, fixation + 0.05)),
    )
    result = aligned(rig, light)
    assert result.presentations["valid"].all()
    assert n_wrong(result, rig.truth["onset_s"]) == 0


@pytest.mark.parametrize("onsets_only", [False, True])
@pytest.mark.parametrize(("seed", "broken"), [(1, 7 / 220), (4, 7 / 220), (0, 0.2), (5, 0.005)])
def test_a_square_that_changes_sides_is_followed_through_broken_trials(seed, broken, onsets_only):
    rig = simulate_rig(seed, n_presentations=1200, faults=replace(DELAYED, broken=broken))
    result = aligned(rig, toggling(rig, onsets_only))
    is_broken = rig.truth["broken"]
    assert (result.presentations["valid"] == ~is_broken).all()
    assert n_wrong(result, rig.truth["onset_s"]) == 0
    if (seed, broken) == (1, 7 / 220):
        assert is_broken.sum() == 7
        assert result.report["n_valid"].item() == 1193


def test_late_light_of_a_square_that_changes_sides_is_not_valid_at_the_words_time():
    rig = simulate_rig(8, n_presentations=1200, faults=replace(DELAYED, broken=0.03))
    without_broken = rig.photodiode.off_s[~rig.truth["broken"].to_numpy()]
    rig = replace(rig, photodiode=Photodiode(rig.photodiode.on_s, without_broken))
    for shifts_s in ((0.1, 0.4), (0.1, 0.1), (0.2, 0.2)):
        light, onset_s, shift = moved(rig, shifts_s)
        both = light.either_way().on_s
        result = aligned(rig, Photodiode(both[::2], both[1::2]))
        assert n_wrong(result, onset_s) == 0
        assert result.presentations["valid"].sum() > 1000
    assert shift.any()


def test_the_report_counts_only_light_that_is_surely_the_presentations():
    rig = simulate_rig(9, n_presentations=1200, faults=DELAYED)
    light, _, shift = moved(rig, (0.1, 0.4))
    result = aligned(rig, light)
    share = result.report["photodiode_fraction"].item()
    assert share == pytest.approx((shift == 0).mean(), abs=0.01)
    assert result.report["n_valid"].item() == round(1200 * share)


@pytest.mark.parametrize("constant_s", [3414.0, 56243.0, 1e6])
def test_adding_a_constant_to_every_time_changes_nothing_but_the_times(constant_s):
    rig = simulate_rig(10, n_presentations=600, faults=Faults())
    light, _, _ = moved(rig, (0.1, 0.4))
    here = aligned(rig, light).presentations
    there = align(
        rig.log,
        rig.words.assign(time_s=rig.words["time_s"] + constant_s),
        Events(),
        Photodiode(light.on_s + constant_s, light.off_s + constant_s),
        segments=rig.segments.assign(start_s=rig.segments["start_s"] + constant_s),
    ).presentations
    for column in ("onset_s", "offset_s", "word_s"):
        np.testing.assert_allclose(there[column] - constant_s, here[column], atol=2e-9 * max(constant_s, 1))
    others = ["valid", "reason", "onset_source", "image"]
    assert there[others].equals(here[others])
