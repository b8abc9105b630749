"""Parts of the report: the matrix of sessions, chapters of figures, methods, and what is empty."""

import pandas as pd
import pytest
from report_examples import TEMPLATE, VERSIONS, write_figure

from evoalign import tables
from evoalign.figures.plain_words import PLAIN_WORDS, figure_title, meaning
from evoalign.figures.report import ReportSection, read_panels, write_report
from evoalign.figures.report_chapters import OTHER, POPULATION, SESSION, chapters
from evoalign.figures.report_findings import Sentence
from evoalign.figures.report_glance import failed_row, session_rows, yields_section
from evoalign.figures.report_inputs import optimisers_of, standings, why_nothing_pooled
from evoalign.figures.report_methods import methods
from evoalign.figures.report_page import page_contents
from evoalign.figures.report_settings import every_setting
from evoalign.figures.sets import (
    FEATURE_FIGURES,
    IMAGE_FIGURES,
    POPULATION_FIGURES,
    POPULATION_TUNING_FIGURES,
    PROTOTYPE_FIGURES,
    SESSION_FIGURES,
    TUNING_FIGURES,
)
from evoalign.formats.names import FORMAT_NAMES, THROUGH_NEO
from evoalign.formats.neo_rawio.systems import SYSTEMS
from evoalign.nwb.tables import FINDINGS
from evoalign.study import Config


def of_sessions(title, frame):
    return ReportSection(title, title, "", "", frame)


@pytest.fixture
def experiments():
    rows = [("a", "IT", True, ""), ("b", "V4", False, "baseline: the animal slept")]
    frame = pd.DataFrame(rows, columns=["session", "area", "valid", "reason"])
    return frame.assign(
        subject="Monkey",
        site=["x", "y"],
        n_blocks=[20, 9],
        n_presentations=[400, 100],
        any_succeeds=True,
        both_succeed=False,
    )


@pytest.mark.parametrize(
    ("rule", "stage"),
    [
        *(("recording", "recorded"), ("spike_sorting", "sorted"), ("presentations", "aligned")),
        *(("nwb_findings", "NWB"), ("trajectories", "analysed"), ("session_figures", "analysed")),
    ],
)
def test_a_failed_session_names_its_stage_and_reaches_none_after_it(rule, stage):
    row = failed_row("a", "Monkey", f"{rule}: the file is cut\n  where: a.plx")
    cells = list(row.cells)
    place = cells.index(stage)
    assert row.cells[stage] == row.state == "failed" and "a.plx" in row.note
    assert {row.cells[name] for name in cells[place + 1 :]} <= {"not reached"}
    assert {row.cells[name] for name in cells[:place]} <= {""}


def test_every_row_of_the_sheet_has_one_in_the_matrix(experiments):
    recordings = pd.DataFrame({"session": ["a", "b"], "duration (s)": [120.0, 60.0], "gaps": [1, 0]})
    units = pd.DataFrame({"session": ["a", "b"], "sorted": [12, 3]})
    alignment = pd.DataFrame({"session": ["a"], "n_valid": [9]}).assign(valid=9.0, presentations=10.0)
    parts = [
        of_sessions(*part)
        for part in (("Recordings", recordings), ("Units", units), ("Alignment", alignment))
    ]
    sheet = {name: {"subject": "Monkey"} for name in ("a", "b", "c", "d")}
    notes = {"d": "PIT, Hessian tuning"}
    a, b, c, d = session_rows(sheet, parts, experiments, notes, {"a": "valid"}, {"c": "nwb: no space left"})
    assert a.cells == {
        "recorded": "2.0 min, 1 gap",
        "sorted": "12 units",
        "aligned": "9 of 10",
        "NWB": "valid",
        "analysed": "evolution",
    }
    assert (a.state, b.state, c.state, d.state) == ("counted", "not counted", "failed", "")
    assert b.note == "baseline: the animal slept" and a.area == "PIT"
    assert b.cells["aligned"] == "none" and c.cells["NWB"] == "failed" and d.cells["analysed"] == "tuning"


def test_the_yield_counts_by_area_and_success_among_valid_ones(experiments):
    frame = yields_section(experiments).frame.set_index("area")
    assert list(frame.index) == ["V4", "PIT"]
    assert frame.loc["V4", ["experiments", "valid", "either thread succeeds"]].tolist() == [1, 0, 0]
    assert frame.loc["PIT", ["experiments", "valid", "either thread succeeds"]].tolist() == [1, 1, 1]


def test_an_nwb_file_is_valid_unless_a_validator_names_an_error(tmp_path):
    finding = {"tool": "nwbinspector", "check": "c", "location": "/", "message": "m"}
    files = []
    for name, importances in (("a", []), ("b", ["BEST_PRACTICE_SUGGESTION"] * 2), ("c", ["ERROR", "HINT"])):
        frame = pd.DataFrame([finding | {"importance": importance} for importance in importances])
        files.append(tmp_path / f"{name}.parquet")
        tables.write(frame if importances else tables.empty(FINDINGS), FINDINGS, files[-1])
    assert standings({"findings": files}, ["a", "b", "c"]) == {
        "a": "valid",
        "b": "valid, 2 remarks",
        "c": "1 error",
    }


def test_why_nothing_was_pooled():
    assert why_nothing_pooled({"experiments": [1]}, {"a": "cut"}) == ""
    assert why_nothing_pooled({}, {"": "population: no space left"}).endswith("population: no space left")
    assert "1 failed" in why_nothing_pooled({}, {"a": "cut"})


def test_every_figure_has_its_chapter():
    of_population = {*POPULATION_FIGURES, *PROTOTYPE_FIGURES, *POPULATION_TUNING_FIGURES}
    assert {stem for stems in POPULATION.values() for stem in stems} == of_population
    of_session = {*SESSION_FIGURES, *TUNING_FIGURES, *IMAGE_FIGURES, *FEATURE_FIGURES}
    assert of_session < {stem for stems in SESSION.values() for stem in stems}


def test_every_figure_says_in_plain_words_what_it_shows():
    assert set(PLAIN_WORDS) == {
        stem for part in (POPULATION, SESSION) for stems in part.values() for stem in stems
    }
    assert len({figure_title(stem) for stem in POPULATION["Dynamics"]}) == len(POPULATION["Dynamics"])
    assert all(40 < len(meaning(stem)) < 110 for stem in PLAIN_WORDS)
    assert (figure_title("my_own"), meaning("my_own")) == ("my own", "")


def test_a_figure_without_values_is_not_drawn_and_one_of_nobodys_chapter_comes_last(tmp_path):
    for stem, rows in (("crossover", 2), ("hessian_spectrum", 0), ("tuning", 0), ("tuning_own", 3)):
        write_figure(tmp_path / "population", stem, rows)
    dynamics, encoding, other = chapters(read_panels(tmp_path / "population"), POPULATION, "p")
    assert [panel.stem for panel in dynamics.figures] == ["crossover"] and not dynamics.missing
    ((name, needs),) = encoding.missing
    assert name == figure_title("hessian_spectrum") and "900 images" in needs and not encoding.figures
    # The values of the longer name are not taken for those of the shorter.
    assert other.title == OTHER
    assert [panel.stem for panel in other.figures] == ["tuning_own"]
    assert [name for name, _ in other.missing] == [figure_title("tuning")]


def text_of(config, **options):
    return " ".join(part.text for part in methods(config, VERSIONS, **options).paragraphs)


def test_methods_follow_the_settings():
    plain = text_of(Config(), formats=["plexon", "plexon"])
    assert "from 50 to 200 ms" in plain and "p < 0.01" in plain and "isosplit6" in plain
    changed = {
        "analysis": {"evoked_ms": (70, 170), "success_p": 0.003, "smoothing_sigma_ms": 0},
        "sorting": {"sorter": "kilosort4"},
        "encoding": {"n_permutations": 0},
    }
    config = Config.model_validate(changed)
    other = text_of(config, formats=["intan", "tdt"])
    assert "from 70 to 170 ms" in other and "p < 0.003" in other and "not smoothed" in other
    assert "kilosort4" in other and "isosplit6" not in other and "permutations" not in other
    assert "Intan, TDT (TDT read with neo 1.2" in other and "neo" not in plain


def test_every_format_has_its_name():
    systems = {system.name for system in SYSTEMS}
    assert set(FORMAT_NAMES) == {"blackrock", "plexon", "plexon2"} | systems and systems > THROUGH_NEO


def test_values_of_the_methods_lead_to_settings_that_are_there():
    every = {f"setting-{setting.name}": setting.value for setting in every_setting(Config())}
    written = methods(Config(), VERSIONS, ["intan"], tuned=True, compared=True)
    pieces = [piece for part in written.paragraphs for piece in part.pieces]
    named = {piece.anchor: piece.text for piece in pieces if piece.anchor.startswith("setting-")}
    assert set(named) <= set(every) and len(named) > 35
    assert named["setting-analysis.n_permutations"] == every["setting-analysis.n_permutations"]
    cited = {piece.anchor for piece in pieces if piece.anchor.startswith("reference-")}
    assert cited == {f"reference-{number + 1}" for number in range(len(written.references))}
    assert all(part.text == "".join(piece.text for piece in part.pieces) for part in written.paragraphs)


def test_tuning_and_prototypes_are_told_where_they_were_analysed():
    changed = {"tuning": {"anova_p": 0.003}, "prototypes": {"measure": "lpips", "mask": "rings"}}
    text = text_of(Config.model_validate(changed), tuned=True, compared=True)
    assert "gave p < 0.003" in text and "lpips" in text and "in rings around the centre" in text
    assert "Hessian" not in text_of(Config()) and "prototype" not in text_of(Config())


def test_settings_say_what_differs_from_the_defaults():
    settings = every_setting(Config.model_validate({"analysis": {"success_p": 0.003}}))
    changed = [setting for setting in settings if not setting.default]
    assert [(setting.name, setting.value) for setting in changed] == [("analysis.success_p", "0.003")]
    assert changed[0].meaning


def test_numbers_of_a_finding_are_told_from_names_of_areas():
    sentence = Sentence(
        "In V4, p < 0.01: 106 ms (95 % interval 90 to 1,110).", "crossover", pd.DataFrame(), "t"
    )
    (finding,) = page_contents(title="t", lead="l", findings=[sentence], provenance={}, results="r")[
        "findings"
    ]
    assert finding["pieces"][1::2] == ["0.01", "106 ms", "95 %", "90", "1,110"]
    assert "".join(finding["pieces"]) == sentence.text


def test_references_are_numbered_as_they_come_and_none_is_left_over():
    written = methods(Config(), VERSIONS, ["intan"])
    text = " ".join(part.text for part in written.paragraphs)
    named = [number for number in range(1, 30) if f"[{number}]" in text]
    assert named == list(range(1, len(written.references) + 1))
    first = [text.index(f"[{number}]") for number in named]
    assert first == sorted(first)


def test_nothing_is_said_of_what_was_not_done():
    written = methods(Config(), VERSIONS, analysed=False, encoded=False)
    assert [part.title for part in written.paragraphs] == ["Pipeline"]


def test_a_study_of_which_every_session_failed_has_a_page_that_names_them(tmp_path):
    failed = {"a": "recording: the file is cut"}
    contents = page_contents(
        title="t",
        lead="1 session",
        sessions=session_rows({"a": {"subject": "Monkey"}}, [], None, {}, {}, failed),
        why_nothing=why_nothing_pooled({}, failed),
        methods=methods(Config(), VERSIONS, analysed=False, encoded=False),
        provenance=VERSIONS,
        results="r",
    )
    write_report(tmp_path / "report.html", TEMPLATE, **contents)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "recording: the file is cut" in page and "of the sessions, 1 failed" in page
    assert 'id="population"' not in page and 'id="tables"' not in page


def test_a_page_of_pooled_figures_alone_names_no_sessions(tmp_path):
    write_figure(tmp_path / "insilico", "linearity")
    contents = page_contents(
        title="t", lead="l", population=read_panels(tmp_path / "insilico"), provenance=VERSIONS, results="r"
    )
    write_report(tmp_path / "report.html", TEMPLATE, **contents)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<figure ") == 1 and 'href="#insilico-linearity"' in page
    assert all(f'"#{part}"' not in page for part in ("found", "glance", "sessions", "methods", "tables"))


def test_methods_name_optimisers_only_where_sessions_do():
    experiments = pd.DataFrame({"optimiser_0": ["cma", "", "zoha"], "optimiser_1": ["cma", "cma", ""]})
    optimisers = optimisers_of({"experiments": experiments})
    assert optimisers == {"cma": 3, "zoha": 1}
    told = text_of(Config(), optimisers=optimisers)
    assert "proposed by the optimisers cma (3 threads), zoha (1 thread)" in told
    assert "optimisers" not in text_of(Config()) and optimisers_of({}) == {}
