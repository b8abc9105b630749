"""The quality page and the raster: their values against numpy, and every table that may be empty."""

import itertools
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from evoalign import tables
from evoalign.events.recorded_images import most_frequent_word
from evoalign.figures.axes_facts import title_of
from evoalign.figures.quality import ISI_MS, draw_quality
from evoalign.figures.quality import caption as quality_caption
from evoalign.figures.raster import caption as raster_caption
from evoalign.figures.raster import draw_raster
from evoalign.figures.save import use_style
from evoalign.figures.settings import Figures
from evoalign.sorting.settings import Sorting
from evoalign.sorting.tables import ARTEFACTS, BAD_CHANNELS, SPIKES, UNITS, WAVEFORMS
from evoalign.sorting.tables import BAD_CHANNELS as BAD_CHANNELS_TABLE
from evoalign.study import Config

pytestmark = pytest.mark.filterwarnings("error:constrained_layout")


@pytest.fixture
def session():
    rng = np.random.default_rng(0)
    times = [np.sort(rng.uniform(0, 60, n)) for n in (300, 900, 1200)]
    units = pd.DataFrame(
        {
            "unit": [0, 1, 2], "kind": ["sorted", "sorted", "multiunit"], "channel": [1, 2, 2],
            "vendor_unit": -1, "area": "V4", "n_spikes": [300, 900, 1200], "rate_hz": [5.0, 15.0, 20.0],
            "amplitude_uv": [90.0, 60.0, 70.0], "snr": [9.0, 6.0, 5.0],
            "isi_violations_ratio": [0.0, 0.2, 0.9], "presence_ratio": 1.0, "amplitude_cutoff": np.nan,
            "label": ["good", "mua", "mua"], "preferred": [True, False, False],
            "preferred_agreement": [0.9, 0.1, 0.2],
            "baseline_hz": 5.0, "baseline_drift": [0.1, -0.9, np.nan], "baseline_p": [0.4, 1e-5, np.nan],
        }
    )  # fmt: skip
    spikes = pd.DataFrame({"unit": np.repeat([0, 1, 2], [300, 900, 1200]), "time_s": np.concatenate(times)})
    shape = pd.DataFrame({"time_ms": np.linspace(-1, 2, 90), "mean_uv": -np.hanning(90), "sd_uv": 0.1})
    waveforms = pd.concat([shape.assign(unit=unit) for unit in range(3)])
    channels = pd.DataFrame({"channel": [1, 2, 3, 4]}).assign(
        name="", kind="neural", stream="broadband", sampling_rate_hz=30_000.0, gain_uv=0.25, array="a",
        connector="", area="V4", x_um=[0.0, 400, 0, 400], y_um=[0.0, 0, 400, 400],
    )  # fmt: skip
    bad = pd.DataFrame({"channel": [1, 2, 3, 4], "reason": ["", "", "flat", ""], "noise_uv": [9.0, 9, 0, 9]})
    bad = bad.assign(
        raw_sd_uv=80.0, filtered_sd_uv=14.0, referenced_sd_uv=12.0, blanked_sd_uv=10.0, blanked_share=0.01
    )
    named = {
        "units": units,
        "spikes": spikes,
        "waveforms": waveforms,
        "channels": channels,
        "bad_channels": bad,
        "artefacts": pd.DataFrame([("common", "a", -1, 12.0, 12.5)], columns=ARTEFACTS.names),
    }
    found = {name: tables.conform(frame, tables.contract_of(name)) for name, frame in named.items()}
    return found | {"settings": Sorting()}


def test_the_page_shows_sorted_units_and_counts_them(session):
    figure, source = draw_quality(**session, title="s1")
    assert (
        figure.get_suptitle() == "s1: 2 sorted units (1 good, 1 mua, 1 unstable), 1 of 4 electrodes left out"
    )
    assert set(source["waveforms"]["unit"]) == {0, 1}
    assert source["map"].set_index("channel")["good_units"].tolist() == [1, 0, 0, 0]
    assert source["map"].set_index("channel").loc[3, "reason"] == "flat"


def test_intervals_and_rates_are_numpys_histograms(session):
    source = draw_quality(**session)[1]
    times = session["spikes"].query("unit == 1")["time_s"].to_numpy()
    shown = source["intervals"].query("unit == 1")["n"].to_numpy()
    np.testing.assert_array_equal(shown, np.histogram(np.diff(times) * 1000, ISI_MS)[0])
    rates = source["rates"].query("unit == 1")
    width = np.diff(rates["time_s"].to_numpy())[0]
    assert (rates["rate_hz"] * width).sum() == pytest.approx(len(times))


def test_online_units_are_drawn_beside_the_sorted_ones_of_their_electrode(session):
    online = session["units"].iloc[:2].assign(unit=[7, 8], kind="online", channel=[2, 4], vendor_unit=1)
    shape = session["waveforms"].query("unit == 0")
    given = session | {
        "units": pd.concat([session["units"], online]),
        "waveforms": pd.concat([session["waveforms"], shape.assign(unit=7), shape.assign(unit=8)]),
    }
    figure, source = draw_quality(**given)
    assert set(source["waveforms"]["unit"]) == {0, 1, 7}, "electrode 4 has no sorted unit"
    dotted = [line for axes in figure.axes for line in axes.lines if line.get_linestyle() == ":"]
    assert len(dotted) == 1


def test_steps_baselines_and_artefacts_are_those_of_the_tables(session):
    figure, source = draw_quality(**session)
    assert source["steps"]["blanked_sd_uv"].tolist() == session["bad_channels"]["blanked_sd_uv"].tolist()
    assert source["baselines"]["baseline_drift"].tolist() == [0.1, -0.9]
    marks = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "|"]
    assert [line.get_xdata().tolist() for line in marks] == [[12.25 / 60]]


def test_unstable_units_are_those_beyond_the_limits_of_the_configuration(session):
    for limits, marked in (
        ({}, [False, True]),
        ({"stable_drift": 1.0}, [False] * 2),
        ({"stable_p": 1e-6}, [False] * 2),
    ):
        settings = Sorting(**limits)
        figure, source = draw_quality(**(session | {"settings": settings}))
        assert source["metrics"]["unstable"].tolist() == source["baselines"]["unstable"].tolist() == marked
        rings = [text for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
        assert ("unstable (1 of 2)" in [text.get_text() for text in rings]) == any(marked)
        told = quality_caption(session["units"], session["waveforms"], session["bad_channels"], settings)
        assert f"({sum(marked)} of the 2 units with a trend)" in told


@pytest.mark.parametrize(
    "missing",
    [("units", "spikes", "waveforms"), ("waveforms",), ("bad_channels",), ("spikes",), ("artefacts",)],
)
def test_empty_tables_still_give_a_page(session, missing, tmp_path):
    empty = session | {name: tables.empty(tables.contract_of(name)) for name in missing}
    figure, _ = draw_quality(**empty)
    figure.savefig(tmp_path / "page.png", dpi=50)
    if "units" in missing:
        assert "no units" in figure.get_suptitle()


def test_unsorted_sessions_show_their_online_units_without_voltages(session, tmp_path):
    units = session["units"].assign(kind="online", vendor_unit=[0, 1, 2], snr=np.nan, amplitude_uv=np.nan)
    nothing = {"waveforms": tables.empty(WAVEFORMS), "bad_channels": tables.empty(BAD_CHANNELS)}
    channels = session["channels"].assign(x_um=np.nan, y_um=np.nan)
    figure, source = draw_quality(**(session | nothing | {"units": units, "channels": channels}))
    figure.savefig(tmp_path / "page.png", dpi=50)
    assert "3 online units" in figure.get_suptitle()
    assert len(source["intervals"]) == 3 * (len(ISI_MS) - 1) and "metrics" not in source


def test_many_electrodes_fit_on_the_page(session, tmp_path):
    n = 96
    units = pd.concat([session["units"].iloc[:1]] * n).assign(unit=range(n), channel=range(1, n + 1))
    spikes = pd.concat([session["spikes"].query("unit == 0").assign(unit=unit) for unit in range(n)])
    waveforms = pd.concat([session["waveforms"].query("unit == 0").assign(unit=unit) for unit in range(n)])
    given = session | {"units": units, "spikes": spikes, "waveforms": waveforms}
    figure, source = draw_quality(**given)
    figure.savefig(tmp_path / "page.png", dpi=50)
    assert source["waveforms"]["unit"].nunique() == n, "source data hold every unit, drawn or not"


def test_psth_is_in_spikes_per_second_and_starts_with_the_preferred_unit(session, tmp_path):
    events = np.arange(1, 59, 0.5)
    spikes = pd.DataFrame({"unit": 0, "time_s": np.repeat(events, 2) + np.tile([0.101, 0.103], len(events))})
    figure, source = draw_raster(spikes, session["units"], events, Figures(), "s1", "image onset")
    figure.savefig(tmp_path / "raster.png", dpi=50)
    psth = source["psth"].query("unit == 0").set_index("time_ms")["rate_hz"]
    assert psth.loc[105.0] == pytest.approx(200)
    assert psth.drop(105.0).sum() == 0
    assert list(source["psth"]["unit"].unique()) == [0, 1, 2]


@pytest.mark.parametrize("start_s", [0.0, 3414.0, 56_243.0])
def test_a_spike_on_the_edge_of_a_bin_counts_in_the_bin_that_starts_there(session, start_s):
    events = start_s + np.array([0.3, 1.1, 1000.7])
    lags_ms = np.arange(-110, 411, 10)  # every edge, one bin before and one after the window
    times = np.sort((events[:, None] + lags_ms / 1000).ravel())
    spikes = pd.DataFrame({"unit": 0, "time_s": times})
    _, source = draw_raster(spikes, session["units"], events)
    psth = source["psth"].query("unit == 0")
    assert psth["time_ms"].tolist() == [edge + 5.0 for edge in range(-100, 400, 10)]
    np.testing.assert_array_equal(psth["rate_hz"], 100.0)  # one spike a bin and event
    shown = source["raster"].query("unit == 0")
    assert sorted(set(shown["time_ms"])) == [float(edge) for edge in range(-100, 400, 10)]


def test_window_and_bins_of_the_raster_are_those_of_the_settings(session):
    settings = Figures(raster_ms=(-200, 700), raster_bin_ms=25)
    figure, source = draw_raster(session["spikes"], session["units"], np.arange(1, 59, 1.0), settings)
    psth = source["psth"].query("unit == 0")
    assert psth["time_ms"].tolist() == [edge + 12.5 for edge in range(-200, 700, 25)]
    assert figure.axes[0].get_xlim() == (-200, 700)
    assert "bins of 25 ms" in raster_caption(58, "image onset", settings)


@pytest.mark.parametrize("events", [None, np.zeros(0)])
def test_without_events_or_units_a_plain_raster_is_drawn(session, events, tmp_path):
    figure, source = draw_raster(session["spikes"], session["units"], events)
    figure.savefig(tmp_path / "raster.png", dpi=50)
    assert len(source["raster"]) > 100
    nothing = tables.empty(SPIKES), tables.empty(UNITS)
    figure, source = draw_raster(*nothing, events)
    assert len(source["raster"]) == 0


def test_the_most_frequent_word_is_found():
    words = pd.DataFrame(
        {"time_s": [3.0, 1, 2, 5, 4], "word": [7, 7, 5, 5, 9], "source": "digital", "segment": 0}
    )
    word, times = most_frequent_word(words)
    assert (word, times.tolist()) == (5, [2.0, 5.0])
    assert most_frequent_word(words.iloc[:0]) is None


@pytest.mark.parametrize(
    ("sent", "centre"),
    [([0, 255, 128], 128), ([0, 0, 0, 9], 9), ([0], None), ([0, 0, 4, 4, 4], 4)],
)
def test_the_rest_of_a_port_is_no_event(sent, centre):
    words = pd.DataFrame({"time_s": np.arange(len(sent)) * 1.0, "word": sent})
    found = most_frequent_word(words)
    assert (found and found[0]) == centre


def test_a_file_without_voltages_gets_no_panels_of_them(session, tmp_path):
    nothing = {"bad_channels": tables.empty(BAD_CHANNELS_TABLE)}
    _, source = draw_quality(**(session | nothing))
    assert set(source) == {"waveforms", "map", "metrics", "intervals", "rates", "baselines"}
    told = quality_caption(session["units"], session["waveforms"], nothing["bad_channels"], Sorting())
    assert "f, fitted change" in told and "each step" not in told
    assert "g, voltage" in quality_caption(
        session["units"], session["waveforms"], session["bad_channels"], Sorting()
    )


def test_a_session_without_blocks_gets_no_panel_of_baselines(session):
    units = session["units"].assign(baseline_hz=np.nan, baseline_drift=np.nan, baseline_p=np.nan)
    figure, source = draw_quality(**(session | {"units": units}))
    assert "baselines" not in source and "steps" in source
    titles = [title_of(axes) for axes in figure.axes]
    assert "Baseline over blocks" not in titles and "Voltage after each step" in titles
    told = quality_caption(units, session["waveforms"], session["bad_channels"], Sorting())
    assert "no blocks" in told and "Ringed" not in told


def test_no_title_above_a_raster_reaches_the_next(session):
    long = session["units"].assign(channel=128, kind="online", vendor_unit=0, preferred=True)
    with mpl.rc_context():
        use_style(Path(__file__).parents[3] / Config().figures.style)
        figure, _ = draw_raster(session["spikes"], long, np.arange(1.0, 5.0))
        figure.draw_without_rendering()
    texts = figure.findobj(lambda artist: isinstance(artist, mpl.text.Text))
    boxes = [text.get_window_extent() for text in texts if text.get_text().startswith("preferred")]
    assert len(boxes) > 1
    for first, second in itertools.pairwise(boxes):
        assert first.x1 <= second.x0 or first.y0 >= second.y1 or second.x1 <= first.x0
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
