"""A small experiment worked by hand: every number of docs/methods.md sections 3 and 4, from first principles.

Six blocks; in each, three images of either thread and one reference a thread.
The unit fires 1 spike/s in the first 50 ms. An image of strength a then adds
to the texture thread 3 a spikes/s in [50, 100) ms, to the object thread 1.5 a
in [100, 200) ms; either way its evoked rate, over the 150 ms of [50, 200), is
a. References have the strength 5 in both.
"""

from dataclasses import replace
from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from evoalign import study
from evoalign.analysis.experiment import Experiment, drop_short_last_block
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.analysis.session.trajectories import best_images
from evoalign.analysis.settings import Analysis

getcontext().prec = 60

STRENGTHS = {
    0: [[1, 2, 3], [2, 3, 4], [6, 7, 8], [9, 10, 11], [8, 9, 10], [8, 9, 10]],
    1: [[2, 3, 4], [2, 3, 4], [3, 4, 5], [4, 5, 6], [5, 6, 7], [7, 8, 9]],
}
MEANS = {0: [2, 3, 7, 10, 9, 9], 1: [3, 3, 4, 5, 6, 8]}
NORMALISER = 10  # the largest of MEANS
BEST = {0: 3, 1: 5}  # where each thread's largest mean is

# The groups that each statistic compares: b* + 1 is block 4 for the texture
# thread; the object thread's b* = 5 exceeds 6 - 3 and is moved back to 3.
INIT = {0: [1, 2, 3, 2, 3, 4], 1: [2, 3, 4, 2, 3, 4]}
MAX = {0: [9, 10, 11, 8, 9, 10], 1: [4, 5, 6, 5, 6, 7]}
END = {0: [8, 9, 10, 8, 9, 10], 1: [5, 6, 7, 7, 8, 9]}
GROUPS = {
    ("endinit", 0): (END[0], INIT[0]),
    ("maxinit", 0): (MAX[0], INIT[0]),
    ("maxend", 0): (MAX[0], END[0]),
    ("endinit", 1): (END[1], INIT[1]),
    ("maxinit", 1): (MAX[1], INIT[1]),
    ("maxend", 1): (MAX[1], END[1]),
    ("init_01", -1): (INIT[0], INIT[1]),
    ("max_01", -1): (MAX[0], MAX[1]),
    ("end_01", -1): (END[0], END[1]),
}
# theta, level subtracted -> (first block above, blocks below) of thread 0 and 1.
TIME_CONSTANTS = {
    (0.8, "bslinit"): ((3, 3), (5, 5)),  # 0 1 5 8 7 7 above 6.4; 0 0 1 2 3 5 above 4
    (0.8, "bsl"): ((3, 3), (5, 5)),  # 1 2 6 9 8 8 above 7.2; 2 2 3 4 5 7 above 5.6
    (0.8, "zero"): ((3, 3), (5, 5)),  # 2 3 7 10 9 9 above 8; 3 3 4 5 6 8 above 6.4
    (0.632, "bslinit"): ((3, 3), (5, 5)),  # above 5.056; above 3.16
    (0.632, "bsl"): ((2, 2), (4, 4)),  # above 5.688; above 4.424
    (0.632, "zero"): ((2, 2), (4, 4)),  # above 6.32; above 5.056
}


def profile(thread, strength):
    rate = torch.zeros(200, dtype=torch.float64)
    rate[:50] = 1.0
    if thread == 0:
        rate[50:100] = 3.0 * strength
    else:
        rate[100:] = 1.5 * strength
    return rate


def worked(session="worked", subject="A"):
    rates, block, thread, reference = [], [], [], []
    for t, blocks in STRENGTHS.items():
        for b, strengths in enumerate(blocks):
            for strength, natural in [*((a, False) for a in strengths), (5, True)]:
                rates.append(profile(t, strength))
                block.append(b)
                thread.append(t)
                reference.append(natural)
    return Experiment(
        session, subject, "IT", 4, ("texture", "object"), torch.stack(rates), 0,
        torch.tensor(block), torch.tensor(thread), torch.tensor(reference), tuple(range(1, 7)),
    )  # fmt: skip


SETTINGS = Analysis(min_blocks=5, n_bootstrap=50, n_permutations=32)


@pytest.fixture(scope="module")
def found():
    return analyse_experiment(worked(), SETTINGS, 0)


def student(first, second):
    """t and two-sided p for an even df, exact: Abramowitz and Stegun 26.7.4."""
    n, m = len(first), len(second)
    mean = [Fraction(sum(group), len(group)) for group in (first, second)]
    squares = sum((x - c) ** 2 for group, c in zip((first, second), mean, strict=True) for x in group)
    df = n + m - 2
    variance = squares / df * (Fraction(1, n) + Fraction(1, m))
    error = (Decimal(variance.numerator) / variance.denominator).sqrt()
    difference = mean[0] - mean[1]
    t = Decimal(difference.numerator) / difference.denominator / error
    sine, cosine2 = abs(t) / (df + t * t).sqrt(), df / (df + t * t)
    term = total = Decimal(1)
    for k in range(1, df // 2):
        term *= cosine2 * (2 * k - 1) / (2 * k)
        total += term
    return float(t), float(1 - sine * total), df


@pytest.mark.parametrize(("statistic", "thread"), GROUPS)
def test_each_success_statistic(found, statistic, thread):
    table = found["success"].set_index(["statistic", "thread"])
    row = table.loc[(statistic, thread)]
    first, second = GROUPS[statistic, thread]
    t, p, df = student(first, second)
    assert (row["t"], row["p"], row["df"]) == pytest.approx((t, p, df), rel=1e-9)
    assert (row["mean_1"], row["mean_2"]) == pytest.approx((sum(first) / 6, sum(second) / 6))
    assert (row["n_1"], row["n_2"]) == (6, 6)


def test_success_relative_to_references(found):
    # References are 5 in every block, without noise: the ratio changes as the texture thread's rate does.
    # Squares of 2 in each block of three: relative variance sum(2 / m^2) / 12, over 3 in a block's mean.
    row = found["success"].set_index(["statistic", "thread"]).loc[("endinit", 0)]
    change = np.log(9) - (np.log(2) + np.log(3)) / 2
    noise = sum(2 / m**2 for m in MEANS[0]) / 12 / 3
    assert row["log_ratio"] == pytest.approx(change)
    assert row["t_relative"] == pytest.approx(change / noise**0.5)
    across = found["success"][found["success"]["thread"] == -1]
    assert across["p_relative"].isna().all()


def test_the_site_is_the_sessions_where_it_is_not_known(found):
    assert found["experiments"]["site"].tolist() == ["worked"]
    told = analyse_experiment(replace(worked(), site="A/IT/4a"), SETTINGS, 0)
    assert {one for name in ("success", "psth", "contrast") for one in told[name]["site"]} == {"A/IT/4a"}


def test_one_t_in_full(found):
    # maxinit of the texture thread: means 9.5 and 2.5; squares 5.5 each, so the
    # pooled variance is 11 / 10 and t = 7 / sqrt(1.1 (1/6 + 1/6)).
    row = found["experiments"].iloc[0]
    assert row["t_0"] == pytest.approx(7 / (1.1 / 3) ** 0.5)


def test_the_experiment_is_valid_and_succeeds(found):
    row = found["experiments"].iloc[0]
    assert row["normaliser_hz"] == pytest.approx(NORMALISER)
    assert (row["best_block_0"], row["best_block_1"]) == (BEST[0], BEST[1])
    assert row["valid"] and row["reason"] == ""
    p = [student(MAX[thread], INIT[thread])[1] for thread in (0, 1)]
    assert [row["succeeds_0"], row["succeeds_1"]] == [p[0] < 0.01, p[1] < 0.01]
    assert row["both_succeed"] == (max(p) < 0.05) and row["any_succeeds"]


def test_trajectories(found):
    frame = found["trajectories"]
    for thread, means in MEANS.items():
        own = frame[(frame["thread"] == thread) & (frame["stimuli"] == "generated")]
        evoked = own[own["window"] == "evoked"].sort_values("block_index")
        assert evoked["mean_hz"].tolist() == pytest.approx(means)
        assert evoked["normalised"].tolist() == pytest.approx([m / 10 for m in means])
        # Strengths a - 1, a, a + 1: standard deviation 1, sem 1 / sqrt(3).
        assert evoked["sem_hz"].tolist() == pytest.approx([3**-0.5] * 6)
        assert own[own["window"] == "baseline"]["mean_hz"].tolist() == pytest.approx([1.0] * 6)
        early = own[(own["window"] == "binned") & (own["start_ms"] == 60) & (own["stop_ms"] == 70)]
        expected = [3 * m / 10 if thread == 0 else 0.0 for m in means]
        assert early.sort_values("block_index")["normalised"].tolist() == pytest.approx(expected)
        # [40, 60) is half the baseline of 1 and half what follows.
        across = own[(own["start_ms"] == 40) & (own["stop_ms"] == 60)].sort_values("block_index")
        expected = [(1 + 3 * m if thread == 0 else 1) / 2 for m in means]
        assert across["mean_hz"].tolist() == pytest.approx(expected)
        natural = frame[(frame["thread"] == thread) & (frame["stimuli"] == "reference")]
        assert natural[natural["window"] == "evoked"]["mean_hz"].tolist() == pytest.approx([5.0] * 6)


def test_psth(found):
    frame = found["psth"]
    own = frame[(frame["stimuli"] == "generated") & (frame["block_index"] == 2)]
    at = own.set_index(["thread", "time_ms"])["mean_hz"]
    assert [at[0, 49], at[0, 50], at[0, 99], at[0, 100]] == pytest.approx([1, 21, 21, 0])
    assert [at[1, 49], at[1, 50], at[1, 99], at[1, 100]] == pytest.approx([1, 0, 0, 6])


def test_time_constants(found):
    table = found["time_constants"].set_index(["theta", "level", "thread"])
    assert len(table) == 2 * len(TIME_CONSTANTS)
    for (theta, level), threads in TIME_CONSTANTS.items():
        for thread, expected in enumerate(threads):
            row = table.loc[(theta, level, thread)]
            assert (row["first_above"], row["below"]) == expected, (theta, level, thread)


def test_attribution(found):
    # D: 3 (10 - 2) = 24 in five bins of the texture thread, 1.5 (8 - 3) = 7.5 in ten of the object thread.
    table = found["attribution"].set_index(["thread", "start_ms", "stop_ms"])
    assert len(table) == 2 * (40 + 20 + 10 + 8 + 4)
    for thread, start, stop in table.index:
        own = table.loc[(thread, start, stop)]
        # A bin of 20 ms may hold the answer's edge.
        first, last = ((50, 100), (100, 200))[thread]
        inside = max(min(stop, last) - max(start, first), 0)
        assert own["difference_hz"] == pytest.approx((24.0, 7.5)[thread] * inside / (stop - start))
        assert own["share"] == pytest.approx(inside / (last - first))


def test_centres_of_mass(found):
    # From 25 ms: 25 ms of 1 spike/s about 37.5 ms, then 50 ms about 75 or 100 ms about 150.
    centres = found["centres"].set_index(["thread", "curve"])["centre_ms"]
    early, late = 25 * 37.5, 25
    for curve, block in (("first", 0), ("best", 3), ("last", 5)):
        mass = 50 * 3 * MEANS[0][block]
        assert centres[0, curve] == pytest.approx((early + mass * 75) / (late + mass))
    for curve, block in (("first", 0), ("best", 5), ("last", 5)):
        mass = 100 * 1.5 * MEANS[1][block]
        assert centres[1, curve] == pytest.approx((early + mass * 150) / (late + mass))
    assert centres[0, "attribution"] == pytest.approx(75)
    assert centres[1, "attribution"] == pytest.approx(150)


def test_late_contrast_and_crossover(found):
    # Late: blocks 3 to 5, half of six. Means 28/3 and 19/3; squares 3 (2) + 2 and 3 (2) + 14.
    late = {thread: [a for block in STRENGTHS[thread][3:] for a in block] for thread in (0, 1)}
    table = found["contrast"]
    row = table[table["window"] == "evoked"].iloc[0]
    t, p, df = student(late[1], late[0])
    assert (row["texture_hz"], row["object_hz"]) == pytest.approx((28 / 3, 19 / 3))
    assert row["difference"] == pytest.approx(-0.3)
    assert (row["t"], row["p"], row["df"]) == pytest.approx((t, p, df), rel=1e-9)
    assert row["t"] == pytest.approx(-3 / (28 / 16 * 2 / 9) ** 0.5)
    assert row["sem"] == pytest.approx((28 / 16 * 2 / 9) ** 0.5 / 10)
    bins = table[table["window"] == "binned"].set_index("start_ms")["difference"]
    assert [bins[40], bins[50], bins[90], bins[100]] == pytest.approx([0, -2.8, -2.8, 0.95])
    # Of three late blocks eight flips: neither lead could be below p = 1 / 8.
    row = found["crossover"].iloc[0]
    assert (row["n"], row["reason"]) == (3, "fewer than 5 late blocks")
    assert np.isnan(row["crossover_ms"]) and np.isnan(row["low_ms"])


def test_padding_to_a_longer_run():
    # A second run of eight blocks: the first is padded with (9 + 9) / 2 and (6 + 8) / 2.
    longer = worked("zlonger")
    last = longer.select(longer.block == 5)
    grown = Experiment(
        "zlonger", "A", "IT", 4, longer.spaces, torch.cat([longer.rates, last.rates, last.rates]), 0,
        torch.cat([longer.block, last.block + 1, last.block + 2]),
        torch.cat([longer.thread, last.thread, last.thread]),
        torch.cat([longer.reference, last.reference, last.reference]), tuple(range(1, 9)),
    )  # fmt: skip
    config = study.Config(analysis=SETTINGS)
    pooled = pool_sessions([analyse_experiment(one, SETTINGS, 0) for one in (grown, worked())], config)
    padded = pooled["padded"].set_index(["session", "kind", "block_index"]).sort_index()
    for kind, tail in (("texture", 0.9), ("object", 0.7)):
        assert padded.loc[("worked", kind)]["value"].tolist()[5:] == pytest.approx(
            [MEANS[kind == "object"][5] / 10, tail, tail]
        )
        assert padded.loc[("worked", kind)]["real"].tolist() == [True] * 6 + [False] * 2
    both = pooled["population_trajectories"]
    both = both[(both["window"] == "evoked") & (both["selection"] == "valid")].set_index("block_index")
    assert both.loc[7, "object_mean"] == pytest.approx((0.8 + 0.7) / 2)
    assert both["n_real"].tolist() == [2] * 6 + [1] * 2


@pytest.mark.parametrize(("minimum", "dropped"), [(3, False), (4, True)])
def test_a_short_last_block_is_dropped_in_both_threads(minimum, dropped):
    kept = drop_short_last_block(worked(), minimum)
    assert kept.dropped_last is dropped
    assert kept.block_numbers == tuple(range(1, 6 if dropped else 7))
    assert int(kept.block.max()) == (4 if dropped else 5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"unstable": "drift"}, "unstable baseline"),
        ({"spaces": ("object", "texture")}, ""),
        ({"spaces": ("texture", "texture")}, "are not texture and object"),
        ({"rates": torch.zeros(48, 200, dtype=torch.float64)}, "no evoked response"),
    ],
)
def test_inclusion(change, reason):
    experiment = Experiment(**(vars(worked()) | change))
    row = analyse_experiment(experiment, SETTINGS, 0)["experiments"].iloc[0]
    assert row["valid"] == (reason == "") and reason in row["reason"]
    strict = analyse_experiment(experiment, SETTINGS.model_copy(update={"min_blocks": 7}), 0)
    assert "6 blocks, fewer than 7" in strict["experiments"]["reason"].iloc[0]


def test_tables_hold_no_other_threads(found):
    assert isinstance(found["success"], pd.DataFrame)
    assert sorted(found["success"]["thread"].unique()) == [-1, 0, 1]


def test_of_equal_images_the_first_by_name_is_the_best_whatever_the_last_bits():
    images = np.array([f"image {number:02}" for number in range(48)])
    evoked = torch.zeros(48, dtype=torch.float64)
    evoked[12:15] = torch.tensor([0.3, 0.1 + 0.2, 0.2], dtype=torch.float64)  # the fourth block's textures
    assert evoked[13] > evoked[12]
    assert best_images(replace(worked(), images=images), evoked)[0][0, 3] == "image 12"
