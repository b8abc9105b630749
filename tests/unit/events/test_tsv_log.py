"""The plain log: what may be left out, and what is said about mistakes."""

import numpy as np
import pandas as pd
import pytest

from evoalign.errors import InputError
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.simulate.rig import simulate_rig

NAME = "block002_thread001_gen_gen001_000007"
HEADER = "trial\timage\tonset_word\tonset_s\toffset_s"


@pytest.fixture
def written(tmp_path):
    def write(*rows, header=HEADER):
        path = tmp_path / "log.tsv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return write


def test_a_written_log_is_read_back(tmp_path):
    log = simulate_rig(3, n_presentations=200).log
    log.to_csv(tmp_path / "log.tsv", sep="\t", index=False, lineterminator="\n")
    found = read_log(tmp_path / "log.tsv", Events(), ("texture", "object"))
    pd.testing.assert_frame_equal(found, log)


def test_names_tell_what_columns_do_not(written):
    path = written(
        "# made by hand",
        f"1\t{NAME}.bmp\t101\t1.0\t1.1",
        "",
        "1\tcat_nat\t102\t1.2\t",
        header="﻿" + HEADER,
    )
    log = read_log(path, Events(), ("fc6", "BigGAN"))
    assert log["image"].tolist() == [NAME, "cat_nat"]
    assert log[["block", "thread"]].to_numpy().tolist() == [[2, 1], [-1, -1]]
    assert log["space"].tolist() == ["BigGAN", ""]
    assert log["reference"].tolist() == [False, True]
    assert log["presentation"].tolist() == [0, 1]
    assert np.isnan(log["offset_s"][1])


def test_another_labs_names(written):
    path = written("1\tg5_t0_12\t101\t1.0\t1.1")
    log = read_log(path, Events(image_pattern=r"g(?P<block>\d+)_t(?P<thread>\d)_(?P<index>\d+)"), ("a", "b"))
    assert log[["block", "thread", "space"]].iloc[0].tolist() == [5, 0, "a"]


GOOD = f"1\t{NAME}\t101\t1.0\t1.1"


@pytest.mark.parametrize(
    ("rows", "header", "what", "where"),
    [
        ([GOOD], "trial\timage\tonset_word\tonset_s", r"columns \['offset_s'\] are missing", "row 1"),
        ([GOOD], HEADER.replace("onset_s", "onsets"), "unknown column 'onsets'", "row 1"),
        ([GOOD], HEADER.replace("image", "trial"), "stands twice", "row 1"),
        ([GOOD, "1\tx\t101"], HEADER, "3 cells, the header 5", "row 3"),
        ([GOOD, "one\tx\t101\t2\t3"], HEADER, "'one' is no whole number", "row 3, column trial"),
        ([GOOD, "1\tx\t101\tsoon\t3"], HEADER, "'soon' is no time", "row 3, column onset_s"),
        ([GOOD, "1\tx\t101\tinf\t3"], HEADER, "'inf' is no time", "row 3, column onset_s"),
        ([GOOD, "1\tx\t101\t\t3"], HEADER, "onset_s is nan", "row 3, column onset_s"),
        ([GOOD, "1\tx\t101\t2\t1.9"], HEADER, "later than onset_s", "row 3, column offset_s"),
        ([GOOD, "0\tx\t101\t2\t3"], HEADER, "trial is 0", "row 3, column trial"),
        ([GOOD, "1\tx\t70000\t2\t3"], HEADER, "onset_word is 70000", "row 3, column onset_word"),
        (
            [GOOD + "\tmaybe"],
            HEADER + "\treference",
            "'maybe' is no true or false",
            "row 2, column reference",
        ),
        ([GOOD + "\t7"], HEADER + "\tpresentation", "count rows from 0", "row 2, column presentation"),
        ([GOOD + "\t-2"], HEADER + "\tblock", "block is -2", "row 2, column block"),
        ([GOOD, "2\tx\t101\t0.5\t0.6"], HEADER, "time runs backwards", "presentation 1"),
        ([GOOD + "\tfc6"], HEADER + "\tspace", "'fc6' in the log but of 'object'", "presentation 0"),
    ],
)
def test_mistakes_are_named_with_row_and_column(written, rows, header, what, where):
    path = written(*rows, header=header)
    with pytest.raises(InputError, match=what) as error:
        read_log(path, Events(), ("texture", "object"))
    assert error.value.where.startswith(str(path))
    assert where in error.value.where


def test_unreadable_logs(tmp_path):
    path = tmp_path / "log.tsv"
    with pytest.raises(InputError, match="cannot read the log"):
        read_log(path, Events())
    path.write_bytes(b"trial\xff\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_log(path, Events())
    path.write_text("# nothing\n\n")
    with pytest.raises(InputError, match="the log is empty"):
        read_log(path, Events())


def test_a_log_without_rows_is_empty_where_nothing_was_recorded_and_else_refused(written):
    assert len(read_log(written(), Events(), alone=True)) == 0
    with pytest.raises(InputError, match="shows no presentation"):
        read_log(written(), Events())


@pytest.mark.parametrize("column", ["onset_s", "offset_s"])
def test_one_time_before_its_predecessor_costs_its_trial_alone(written, column):
    cells = [[str(1 + i // 3), f"im{i}", "101", f"{i + 1.0:.4f}", f"{i + 1.5:.4f}"] for i in range(12)]
    cells[4][3 if column == "onset_s" else 4] = f"{cells[3][3] if column == 'onset_s' else cells[4][3]}"
    log = read_log(written(*("\t".join(row) for row in cells)), Events())
    assert len(log) == 12
    assert log["onset_s"].is_monotonic_increasing
    assert log.index[log["reason"] != ""].tolist() == [3, 4, 5]
    assert log["reason"][4].startswith("the log of this trial is damaged: ")
