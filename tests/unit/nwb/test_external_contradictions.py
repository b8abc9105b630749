"""A foreign NWB file that contradicts itself, and a preferred unit that is not one unit, are refused."""

import numpy as np
import pandas as pd
import pytest

from evoalign.errors import InputError
from evoalign.nwb.external_checks import check_presentations, check_spikes, preferred_units
from evoalign.sheet import Session


def _row(preferred):
    return Session(session="s", subject="m", nwb="x.nwb", preferred=preferred)


def _units(vendor_unit=-1, kind=("sorted",) * 3):
    return pd.DataFrame(
        {"unit": [10, 11, 12], "channel": [1, 1, 2], "kind": kind, "vendor_unit": vendor_unit}
    )


@pytest.mark.parametrize("preferred", ["1", "1a", "1b", "2b"])
def test_what_does_not_name_one_unit_is_refused_with_the_units_there_are(preferred):
    there = r"10 \(sorted\), 11 \(sorted\)" if preferred[0] == "1" else r"12 \(sorted\)"
    with pytest.raises(InputError, match=f"'{preferred}' in column preferred .*: {there}") as caught:
        preferred_units(_units(), _row(preferred), "x.nwb, /units")
    assert "vendor_unit: NAME" in caught.value.hint


@pytest.mark.parametrize(("preferred", "marked"), [("1a", [1, 0, 0]), ("1b", [0, 1, 0]), ("2a", [0, 0, 1])])
def test_a_letter_counts_where_the_file_tells_letters(preferred, marked):
    assert preferred_units(_units([1, 2, 1]), _row(preferred), "").tolist() == marked
    with pytest.raises(InputError, match="does not name one unit"):
        preferred_units(_units([1, 2, 1]), _row("1c"), "")


def test_one_unit_of_each_kind_or_none_at_all_is_no_contradiction():
    units = _units(kind=("sorted", "multiunit", "sorted"))
    assert preferred_units(units, _row("1"), "").tolist() == [True, True, False]
    assert preferred_units(_units(), _row("2a"), "").tolist() == [False, False, True]
    assert not preferred_units(_units(), _row(""), "").any()
    assert not preferred_units(_units(), None, "").any()


def _presentations(onset_s, offset_s):
    return pd.DataFrame({"image": "a", "onset_s": onset_s, "offset_s": offset_s})


def test_presentations_that_end_before_they_start_or_stand_twice_are_refused():
    onsets = np.array([1.0, 2.0, 3.0])
    check_presentations(_presentations(onsets, onsets + 0.1), "t")
    check_presentations(_presentations([np.nan] * 3, [np.nan] * 3), "t")
    with pytest.raises(InputError, match="1 presentations end before they start") as caught:
        check_presentations(_presentations(onsets, [1.1, 1.9, 3.1]), "t")
    assert caught.value.where == "t, row 1"
    with pytest.raises(InputError, match="3 presentations stand twice"):
        check_presentations(_presentations(np.tile(onsets, 2), np.tile(onsets, 2) + 0.1), "t")


def test_spikes_that_stand_twice_are_refused():
    times = np.arange(100.0)
    once = pd.DataFrame({"unit": 3, "time_s": times})
    check_spikes(pd.concat([once, once.iloc[:5], once.assign(unit=4)]), "u")
    with pytest.raises(InputError, match="1 units have their spikes twice, the first is unit 3"):
        check_spikes(pd.concat([once, once, once.assign(unit=4)]), "u")
