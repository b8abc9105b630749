"""What contradicts itself in settings and sample sheet is refused before the first job."""

from pathlib import Path

import pytest

from evoalign.errors import InputError
from evoalign.sheet import load_sessions
from evoalign.study import check_config
from evoalign.study_checks import check_consistency, check_yaml

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("section", "values", "words", "hint"),
    [
        (
            "sorting",
            {"highpass_hz": 2000, "lowpass_hz": 1000},
            "2000 is not below",
            "exchange",
        ),
        ("events", {"onset_words": [199, 101]}, "events.onset_words", "exchange"),
        ("sorting", {"envelope_band_hz": [5000, 500]}, "envelope_band_hz", "exchange"),
        (
            "analysis",
            {"evoked_ms": [200, 50]},
            "the window from 200 to 50 ms is empty",
            "first ms",
        ),
        ("analysis", {"baseline_ms": [-20, 45]}, "outside of analysis.window_ms, 0 to 200", "widen"),
        ("analysis", {"window_ms": [0, 400]}, "outside of responses.start_ms, stop_ms, -50 to 250", "widen"),
        ("encoding", {"window_ms": [-100, 200]}, "encoding.window_ms", "widen"),
        ("analysis", {"bins_ms": [7]}, "bins of 7 ms do not tile the 200 ms", "1, 2, 4, 5, 8, 10"),
        ("analysis", {"bins_ms": [0]}, "bins of 0 ms", "1, 2, 4, 5, 8, 10"),
        ("analysis", {"figure_bin_ms": 30}, "figure_bin_ms: bins of 30 ms", "1, 2, 4, 5, 8, 10"),
        ("figures", {"raster_ms": [400, -100]}, "figures.raster_ms: the lower edge 400", "exchange"),
        (
            "figures",
            {"raster_bin_ms": 30},
            "bins of 30 ms do not tile the 500 ms of figures.raster_ms",
            "1, 2, 4, 5",
        ),
        ("encoding", {"schemes": ["block"]}, "'image' is not among encoding.schemes", "computed: block"),
        ("encoding", {"permuted_projections": ["top"], "projections": ["full"]}, "'top' is not", "full"),
        ("nwb", {"columns": {"vaild": "ok"}}, "there is no column 'vaild'", "did you mean 'valid'?"),
        ("nwb", {"unit_columns": {"lable": "quality"}}, "no column 'lable'", "did you mean 'label'?"),
        ("responses", {"kinds": ["sortd"]}, "responses.kinds.0", "did you mean 'sorted'?"),
    ],
)
def test_settings_that_cannot_be_computed_are_refused_with_the_remedy(section, values, words, hint):
    with pytest.raises(InputError) as caught:
        check_consistency(check_config({section: values}, "config.yaml"), "config.yaml")
    assert words in caught.value.what
    assert hint in caught.value.hint
    assert caught.value.where == "config.yaml"


def test_the_settings_that_come_with_the_project_pass():
    check_consistency(check_config({}), "defaults")
    for file in (ROOT / "config").glob("*.y*ml"):
        check_yaml(file)


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("nwb: {}\nsorting: {}\nnwb:\n  raw: link\n", "lines 1 and 3", "'nwb' stands twice"),
        ("nwb:\n  raw: none\n  raw: link\n", "lines 2 and 3", "'raw' stands twice"),
        ("seed: 1:30\n", "line 1", "reads 1:30 as the number 90"),
        ("study: x\nseed: 020\n", "line 2", "reads 020 as the number 16"),
        ("study: 190501_1\n", "line 1", "reads 190501_1 as the number 1905011"),
        ("study: 007\n", "line 1", "reads 007 as the number 7"),
    ],
)
def test_what_yaml_would_change_without_a_word_is_refused(tmp_path, text, where, words):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        check_yaml(path)
    assert words in caught.value.what
    assert caught.value.where == f"{path}, {where}"
    assert caught.value.hint


def test_names_in_quotes_and_plain_numbers_pass(tmp_path):
    (tmp_path / "c.yaml").write_text("study: '007'\nlab: \"1:30\"\nseed: 20\ndevice: 0\nfdr: 0.05\n")
    check_yaml(tmp_path / "c.yaml")


def _sheet(folder, *rows, header="session\tsubject\traw\tnwb"):
    path = folder / "sessions.tsv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    "rows",
    [
        ("a\tm\tx.plx\t", "b\tm\tx.plx\t"),
        ("a\tm\tx.plx\t", "b\tm\tfolder/../x.plx\t"),
        ("a\tm\tx.nev;x.ns6\t", "b\tm\ty.nev;x.ns6\t"),
        ("a\tm\tx.plx;x.plx\t",),
        ("a\tm\t\tx.nwb", "b\tm\t\t./x.nwb"),
        ("a\tm\ts3://lab/x.plx\t", "b\tm\ts3://lab/x.plx\t"),
    ],
)
def test_a_recording_that_stands_twice_is_refused(tmp_path, rows):
    with pytest.raises(InputError, match="would count as two recordings") as caught:
        load_sessions(_sheet(tmp_path, *rows))
    assert caught.value.hint and "row 2" in caught.value.where


def test_a_column_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="column 'raw' stands twice"):
        load_sessions(_sheet(tmp_path, "a\tm\tx.plx\ty.plx", header="session\tsubject\traw\traw"))
