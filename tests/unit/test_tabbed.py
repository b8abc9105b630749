"""Sheets, logs and array maps as spreadsheet programs save them are read, or plainly refused."""

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoalign.errors import InputError
from evoalign.events.tsv import read_tsv
from evoalign.recordings.array_map import read_array_map
from evoalign.sheet import load_sessions
from evoalign.tabbed import read_tabbed, whole_number

SHEET = "session\tsubject\tdate\traw\tpreferred"
LOG = "trial\timage\tonset_word\tonset_s\toffset_s\treference"
MAP = "channel\tarray\tconnector\tarea\tx_um\ty_um"


@pytest.fixture
def saved(tmp_path):
    def save(text, encoding="utf-8"):
        path = tmp_path / "table.tsv"
        path.write_bytes(text.encode(encoding))
        return path

    return save


def sheet(saved, date="", text=None, encoding="utf-8"):
    return load_sessions(saved(text or f"{SHEET}\ns1\tAda\t{date}\ta.nev\t3a\n", encoding))[0]


@pytest.mark.parametrize("written", ["2019-05-01", "20190501", " 2019-05-01 ", '"2019-05-01"'])
def test_a_day_is_read(saved, written):
    assert sheet(saved, written).date == dt.date(2019, 5, 1)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("43586", "counts days as a spreadsheet does (Excel's 2019-05-01): write yyyy-mm-dd"),
        ("43586.0", "Excel's 2019-05-01"),
        ("01/05/2019", "'01/05/2019' is no day written yyyy-mm-dd"),
        ("1.5.2019", "is no day written yyyy-mm-dd"),
        ("1556668800", "'1556668800' is no day"),  # seconds since 1970
        ("20191301", "'20191301' is no day"),
        ("86400", "counts days"),
        ("2019", "'2019' is no day"),
    ],
)
def test_what_is_no_plain_day_is_refused_and_never_taken_for_another(saved, written, said):
    with pytest.raises(InputError) as caught:
        sheet(saved, written)
    assert said in caught.value.what and "row 2" in caught.value.where


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_excels_text_gives_the_same_row(saved, encoding, end):
    rows = [f"{SHEET}\t\t", 's1\tAda\t\t"a.nev;a.ns6"\t3a\t\t', "\t\t\t\t\t\t", '"# a note"' and "# a note"]
    excel = sheet(saved, text=end.join(rows) + end, encoding=encoding)
    assert excel == sheet(saved, text=f"{SHEET}\ns1\tAda\t\ta.nev;a.ns6\t3a\n")


@pytest.mark.parametrize("separator", [";", ","])
def test_another_separator_is_named(saved, separator):
    for text, read, what in (
        (SHEET, load_sessions, "the sample sheet"),
        (LOG, read_tsv, "the log"),
        (MAP, read_array_map, "the array map"),
    ):
        with pytest.raises(InputError, match=f"{what} is separated by '{separator}', not by tabs") as caught:
            read(saved(text.replace("\t", separator) + "\n"))
        assert "row 1" in caught.value.where and caught.value.hint == "save it as tab-separated text"


def test_a_log_that_a_spreadsheet_saved_is_the_log(saved):
    plain = read_tsv(saved(f"{LOG}\n1\tb 1.png\t101\t2.5\t2.6\ttrue\n1\tc.png\t102\t2.7\t2.8\tfalse\n"))
    text = (
        f'{LOG}\t\n1.0\t"b 1.png"\t101.0\t2.5\t2.6\tTRUE\t\n1.\tc.png\t102\t2.7\t2.8\t0.0\t\n\t\t\t\t\t\t\n'
    )
    pd.testing.assert_frame_equal(read_tsv(saved(text)), plain)


@pytest.mark.parametrize(
    ("row", "what", "hint"),
    [
        ("1.5\tx\t101\t2\t3\t0", "'1.5' is no whole number", "write a whole number"),
        ("1\tx\t101\t2,5\t3\t0", "'2,5' is no time in seconds", "write a decimal point, not a comma"),
        ("1e0\tx\t101\t2\t3\t0", "'1e0' is no whole number", "write a whole number"),
        ("1\tx\t101\t2\t3\t0\tmore", "the row has 7 cells, the header 6", "separate cells by one tab"),
        ('1\t"x\ty"\t101\t2\t3\t0', "the row has 7 cells, the header 6", "separate cells by one tab"),
    ],
)
def test_what_no_spreadsheet_means_is_refused(saved, row, what, hint):
    with pytest.raises(InputError) as caught:
        read_tsv(saved(f"{LOG}\n{row}\n"))
    assert (caught.value.what, caught.value.hint) == (what, hint) and "row 2" in caught.value.where


def test_an_array_map_with_channels_like_1_0_is_read(saved):
    read = read_array_map(saved(f"{MAP}\t\n1.0\tA\t\tV4\t0\t400\t\n2\tA\t\tV4\t\t\t\n"))
    assert read["channel"].tolist() == [1, 2] and read["y_um"].tolist()[0] == 400


@given(st.integers(-(2**40), 2**40), st.sampled_from(["", ".", ".0", ".000"]))
def test_whole_numbers(value, end):
    assert whole_number(f"{value}{end}") == value


@given(st.lists(st.lists(st.text("ab 1;,", max_size=6), min_size=2, max_size=2), max_size=5))
def test_cells_that_were_written_with_tabs_come_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("t") / "a.tsv"
    path.write_text("\n".join(["one\ttwo\tthree", *("\t".join(["x", *row]) for row in table)]))
    _, header, rows = read_tabbed(path, "it")
    assert header == ["one", "two", "three"]
    assert [list(row.cells.values()) for row in rows] == [["x", *(c.strip() for c in row)] for row in table]


@pytest.mark.parametrize("place", ["a.plx", "Ada"])
def test_a_byte_of_0_is_refused_in_any_cell(saved, place):
    sheet = "session\tsubject\traw\nday1\tAda\ta.plx\n".replace(place, f"{place[0]}\0{place[1:]}")
    with pytest.raises(InputError, match="holds a byte of 0") as refused:
        load_sessions(saved(sheet))
    assert refused.value.where.endswith(", row 2")


@pytest.mark.parametrize("name", ["population", "Population"])
def test_a_session_has_no_name_of_a_folder_of_the_results(saved, name):
    with pytest.raises(InputError, match="names a folder of the results"):
        load_sessions(saved(f"session\tsubject\traw\n{name}\tAda\ta.plx\n"))
