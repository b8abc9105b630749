"""What leaves the lab tells names and contents, not folders, and no cell acts in a spreadsheet program."""

from base64 import b64decode
from io import StringIO

import pandas as pd
import pytest
from matplotlib.figure import Figure

from evoalign import tables
from evoalign.figures.report_findings import Sentence
from evoalign.figures.report_page import page_contents
from evoalign.figures.save import save_figure
from evoalign.nwb.metadata import flat, without_folders
from evoalign.pipeline.job import _by_name
from evoalign.study import Config

HOSTILE = ['=HYPERLINK("http://a.b")', "+1", "-2+3", "@SUM(A1)", "\tx"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_a_spreadsheet_would_compute_is_marked_as_text(text, tmp_path):
    frame = pd.DataFrame({"session": [text, "plain"], "rate_hz": [-1.5, 2.0]})
    safe = tables.without_formulas(frame)
    assert safe["session"].tolist() == [f"'{text}", "plain"]
    assert safe["rate_hz"].equals(frame["rate_hz"]) and frame["session"].iloc[0] == text
    figure = Figure(figsize=(1, 1))
    figure.subplots()
    save_figure(figure, tmp_path / "f", {"a": frame}, 50, "")
    again = pd.read_csv(tmp_path / "f_a.csv")
    assert again["session"].iloc[0].startswith("'") and again["rate_hz"].tolist() == [-1.5, 2.0]


def test_the_rows_behind_a_sentence_of_the_report_are_as_safe():
    table = pd.DataFrame({"session": HOSTILE})
    sentence = Sentence("Found.", "crossover", table, "crossover")
    page = page_contents(title="t", lead="", findings=[sentence], provenance={}, results="r")
    content = b64decode(page["findings"][0]["content"].partition(",")[2]).decode()
    assert pd.read_csv(StringIO(content))["session"].str.startswith("'").all()


def test_columns_of_numbers_and_flags_keep_their_bytes():
    frame = pd.DataFrame({0: [-1.0, 2.0], 10: [1, -2], "flag": [True, False], "none": [None, None]})
    assert tables.without_formulas(frame).to_csv() == frame.to_csv()


@pytest.mark.parametrize(
    ("path", "name"),
    [("/home/ada/weights/fc6.pt", "fc6.pt"), ("~/w.pt", "w.pt"), ("C:\\Users\\ada\\w.pt", "w.pt"),
     ("weights/fc6.pt", "weights/fc6.pt"), ("http://purl.org/x", "http://purl.org/x"), ("", "")],
)  # fmt: skip
def test_settings_in_a_shared_file_name_no_folder_of_the_machine(path, name):
    settings = {
        "spaces": {"deepsim": {"weights": path}},
        "nwb": {"weights": {"fc6": path}},
        "list": [path, 1],
    }
    assert without_folders(settings) == {
        "spaces": {"deepsim": {"weights": name}}, "nwb": {"weights": {"fc6": name}}, "list": [name, 1]
    }  # fmt: skip


def test_the_default_settings_are_told_as_they_are():
    settings = Config().model_dump(mode="json")
    assert flat(without_folders(settings)) == flat(settings)


@pytest.mark.parametrize("results", ["results", "/data/ada/study/results"])
def test_inputs_are_named_by_their_place_in_the_results_or_by_name(results):
    checksums = {
        f"{results}/nwb/s1.nwb": "1",
        "/home/ada/day1/a.plx": "2",
        "/home/ada/day2/a.plx": "3",
        "/x/b.h5": "4",
    }
    assert _by_name(checksums, results) == {
        "results/nwb/s1.nwb": "1", "day1/a.plx": "2", "day2/a.plx": "3", "b.h5": "4"
    }  # fmt: skip
