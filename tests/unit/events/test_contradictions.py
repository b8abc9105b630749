"""A log is held against its own image names, against the codes and against the rig's words."""

import numpy as np
import pytest

from evoalign.errors import InputError
from evoalign.events.align import align
from evoalign.events.contradictions import usual_shift
from evoalign.events.latent_codes import attach_latents
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.simulate.rig import simulate_rig
from evoalign.simulate.rig_faults import NO_FAULTS

N = 60
PER_BLOCK = 12


def written(folder, log):
    log.drop(columns=["reason"]).to_csv(folder / "log.tsv", sep="\t", index=False)
    return folder / "log.tsv"


def named_log(n_threads=2):
    """A log of five blocks whose image names tell block, thread and number."""
    log = simulate_rig(3, n_presentations=N, faults=NO_FAULTS).log
    k = np.arange(N)
    log = log.assign(block=1 + k // PER_BLOCK, thread=k % n_threads, reference=False)
    pairs = zip(log["block"], log["thread"], k, strict=True)
    return log.assign(image=[f"block{b:03d}_thread{t:03d}_gen_gen{b - 1:03d}_{i:06d}" for b, t, i in pairs])


@pytest.mark.parametrize("column", ["block", "thread"])
def test_a_column_that_contradicts_the_image_names_is_refused(tmp_path, column):
    log = named_log()
    mixed = log.assign(**{column: np.random.default_rng(0).permutation(log[column])})
    with pytest.raises(InputError, match=rf"{column} is \d in the log and \d in the name 'block") as refused:
        read_log(written(tmp_path, mixed), Events())
    assert f"correct the column {column}" in refused.value.hint


@pytest.mark.parametrize("column", ["block", "thread"])
def test_a_few_rows_that_contradict_are_not_valid(tmp_path, column):
    log = named_log()
    assert (read_log(written(tmp_path, log), Events())["reason"] == "").all()
    log.loc[[7, 31], column] += 1
    reasons = read_log(written(tmp_path, log), Events())["reason"]
    assert np.flatnonzero(reasons != "").tolist() == [7, 31]
    assert reasons[7].startswith(f"{column} is ")


def test_blocks_that_count_from_0_are_no_contradiction(tmp_path):
    log = named_log()
    counted = read_log(written(tmp_path, log.assign(block=log["block"] - 1)), Events())
    assert (counted["reason"] == "").all() and counted["block"].tolist() == (log["block"] - 1).tolist()


def test_a_reference_is_shown_in_every_block(tmp_path):
    log = named_log()
    log.loc[log.index % 6 == 5, "image"] = "block001_thread000_gen_nat"
    assert (read_log(written(tmp_path, log), Events())["reason"] == "").all()


def test_another_row_of_codes_than_the_id_has_is_refused():
    log = named_log()
    codes = {
        key: (np.zeros((len(rows), 3)), rows["image"].tolist())
        for key, rows in log.groupby(["block", "thread"])
    }
    attached = attach_latents(log, codes)
    assert attach_latents(attached, codes).equals(attached)
    swapped = attached.assign(latent_row=attached["latent_row"].to_numpy()[::-1])
    with pytest.raises(InputError, match=r"latent_row of image '\w+' is \d in the log and \d by the ids"):
        attach_latents(swapped, codes)
    with pytest.raises(InputError) as refused:
        attach_latents(attached.assign(latent_row=attached["latent_row"] + 1), codes)
    assert refused.value.hint == "rows are counted from 0"


@pytest.mark.parametrize("seed", range(3))
def test_a_log_of_other_blocks_than_the_rig_sent_is_refused(seed):
    rig = simulate_rig(seed, n_presentations=240, faults=NO_FAULTS)
    log = rig.log
    assert log["block"].nunique() > 1
    assert align(log, rig.words, Events()).presentations["valid"].all()
    align(log.assign(block=log["block"] + 4), rig.words, Events())  # counted from another number
    shuffled = np.random.default_rng(seed).permutation(log["block"])
    with pytest.raises(InputError, match="of another block in the log than in the words") as refused:
        align(log.assign(block=shuffled), rig.words, Events())
    assert "events.header_words" in refused.value.hint
    other = Events(header_words=())
    align(log.assign(block=shuffled), rig.words, other)


@pytest.mark.parametrize("seed", range(5))
def test_words_that_are_lost_are_no_contradiction(seed):
    rig = simulate_rig(seed, n_presentations=240)
    align(rig.log, rig.words, Events())


def test_a_shift_is_what_nine_in_ten_agree_on():
    assert usual_shift(np.array([1] * 9 + [0])) == 1
    assert usual_shift(np.array([1] * 8 + [0, 0])) == 0
    assert usual_shift(np.array([], int)) == 0
