"""One simulated session in the bytes of five rigs: the same results, from the voltages to the crossover."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from running import SMALL_SETTINGS, copy_checkout, snakemake

from evoalign.nwb.read import read_nwb
from evoalign.simulate.demo import PHOTODIODE, demo_array_map, preferred_channel, simulate_session
from evoalign.simulate.settings import Demo
from evoalign.sorting.settings import Sorting

pytestmark = pytest.mark.slow

# Five late blocks, the fewest that a crossover is told of.
SETTINGS = Demo(**SMALL_SETTINGS["demo"] | {"n_blocks": 6})
LATE_FRACTION = 0.9
RAW = {
    "blackrock": ("{0}.nev", "{0}.ns6"),
    "plexon": ("{0}.plx",),
    "intan": ("{0}.rhd",),
    "open_ephys": ("{0}_open_ephys",),
    "neuralynx": ("{0}_neuralynx",),
}
OTHERS = [vendor for vendor in RAW if vendor != "blackrock"]
# Half a sample of a rig's clock, and the interval of its photodiode's samples. Plexon's stamps count 40 kHz,
# and its analog inputs are sampled at 1 kHz; all others have Blackrock's 30 kHz.
STAMP_S = dict.fromkeys(RAW, 0.5 / 30_000) | {"plexon": 0.5 / 30_000 + 0.5 / 40_000}
LIGHT_S = dict.fromkeys(RAW, 0.5 / 30_000) | {"plexon": 0.5 / 1_000}
# Rigs whose voltages differ: counts of 0.195 in place of 0.25 µV; 40 kHz in place of 30, and other noise.
OTHER_VOLTAGES = ("intan", "plexon")
# Of Blackrock's spikes, at least this share is a rig's too. Other noise has other multi-unit crossings.
SHARED_SPIKES = {
    ("intan", "sorted"): 0.95,
    ("intan", "multiunit"): 0.95,
    ("plexon", "sorted"): 0.9,
    ("plexon", "multiunit"): 0.75,
}
COLUMNS = (
    "session",
    "subject",
    "date",
    "raw",
    "log",
    "latents",
    "images",
    "arrays",
    "preferred",
    "spaces",
    "photodiode",
)


def row(vendor):
    place = f"data/{vendor}"
    raw = ";".join(f"{place}/{name.format(vendor)}" for name in RAW[vendor])
    preferred = f"{preferred_channel(SETTINGS)}a"
    return [vendor, "Demo-X", "2026-03-02", raw, f"{place}/log.tsv", f"{place}/latents", f"{place}/images",
            "arrays.tsv", preferred, "texture;object", PHOTODIODE[vendor]]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run over the session as each vendor's rig saves it."""
    folder = copy_checkout(tmp_path_factory.mktemp("rigs") / "checkout")
    for vendor in RAW:
        simulate_session(folder / "data" / vendor, area="IT", vendor=vendor, settings=SETTINGS, seed=5)
    demo_array_map("IT", SETTINGS).to_csv(folder / "arrays.tsv", sep="\t", index=False)
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    for section, settings in SMALL_SETTINGS.items():
        config.setdefault(section, {}).update(settings)
    config["analysis"]["late_fraction"] = LATE_FRACTION
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    lines = ["\t".join(COLUMNS), *("\t".join(row(vendor)) for vendor in RAW)]
    (folder / "config/sessions.tsv").write_text("\n".join(lines) + "\n")
    # As far as the crossover: figures and report are the same code for every rig, and most of a run's time.
    nwb = [f"results/nwb/{vendor}.nwb" for vendor in RAW]
    snakemake("--cores", 1, *nwb, "results/population/trajectories", cwd=folder)
    return folder


def table(run, vendor, name):
    return pd.read_parquet(run / f"results/sessions/{vendor}/{name}.parquet")


@pytest.mark.parametrize("vendor", RAW)
def test_the_preferred_unit_is_found_in_the_voltages(run, vendor):
    truth = run / f"data/{vendor}/truth"
    planted = json.loads((truth / "truth.json").read_text())
    true = pd.read_parquet(truth / "spikes.parquet").query(f"unit == {planted['preferred_unit']}")["time_s"]
    units = table(run, vendor, "sorting/units").query("kind == 'sorted'")
    if vendor == "intan":
        # A .rhd holds no online spikes to tell the preferred unit by: its electrode's largest one.
        own = units[units["channel"] == preferred_channel(SETTINGS)]
        found = own.loc[own["snr"].idxmax(), "unit"]
    else:
        (found,) = units.loc[units["preferred"], "unit"]
    times = np.sort(table(run, vendor, "sorting/spikes").query(f"unit == {found}")["time_s"])
    true = np.sort(true)
    near = np.searchsorted(times, true)
    gap = np.minimum(np.abs(times[np.minimum(near, len(times) - 1)] - true), np.abs(times[near - 1] - true))
    hits = np.count_nonzero(gap <= 0.0004)
    assert hits / (len(true) + len(times) - hits) >= 0.9


@pytest.mark.parametrize("vendor", RAW)
def test_onsets_are_those_of_the_light(run, vendor):
    true = pd.read_parquet(run / f"data/{vendor}/truth/presentations.parquet")
    found = table(run, vendor, "events/presentations")
    assert found["image"].tolist() == true["image"].tolist() and found["valid"].mean() >= 0.999
    error_ms = 1000 * np.abs(found["onset_s"] - true["onset_s"])[found["valid"]]
    assert np.percentile(error_ms, 99) <= 0.5


@pytest.mark.parametrize("vendor", OTHERS)
def test_words_and_onsets_are_blackrocks_to_the_sample(run, vendor):
    for name, column in (("recording/words", "word"), ("events/presentations", "image")):
        ours, theirs = table(run, vendor, name), table(run, "blackrock", name)
        if "source" in ours:
            ours = ours[ours["source"].isin(["digital", "strobed"])].reset_index(drop=True)
        assert ours[column].tolist() == theirs[column].tolist()
        time, near = ("time_s", STAMP_S) if "source" in ours else ("onset_s", LIGHT_S)
        np.testing.assert_allclose(ours[time], theirs[time], rtol=0, atol=near[vendor])


def spikes_of(nwb, kind):
    units = nwb.units[nwb.units["kind"] == kind]
    return {
        (int(unit["channel"]), int(unit["vendor_unit"]) if kind == "online" else place): nwb.spikes.query(
            f"unit == {unit['unit']}"
        )["time_s"].to_numpy()
        for place, (_, unit) in enumerate(units.sort_values("unit").iterrows())
    }


@pytest.mark.parametrize("vendor", OTHERS)
@pytest.mark.parametrize("kind", ["sorted", "multiunit", "online"])
def test_the_nwb_file_holds_the_same_units_and_spikes_to_the_sample(run, vendor, kind):
    ours = spikes_of(read_nwb(run / f"results/nwb/{vendor}.nwb"), kind)
    theirs = spikes_of(read_nwb(run / "results/nwb/blackrock.nwb"), kind)
    if vendor == "intan" and kind == "online":
        assert not ours  # a .rhd holds no spikes
        return
    if vendor in OTHER_VOLTAGES and kind != "online":
        # Electrodes that are split alike are compared.
        compared = [pair for channel in {c for c, _ in theirs} if (pair := alike(ours, theirs, channel))]
        assert len(compared) >= 4
        for a, b in (trains for pair in compared for trains in pair):
            near = np.searchsorted(a, b - 0.0002).clip(max=len(a) - 1)
            assert (np.abs(a[near] - b) <= 0.0002).mean() >= SHARED_SPIKES[vendor, kind]
        return
    assert theirs and list(ours) == list(theirs)
    for unit, times in theirs.items():
        np.testing.assert_allclose(ours[unit], times, rtol=0, atol=STAMP_S[vendor])


def units_near_refractoriness(spikes):
    """Units with an interval within 3 µs of the refractory period."""
    interval = spikes.sort_values(["unit", "time_s"]).groupby("unit")["time_s"].diff()
    near = np.abs(interval - 1e-3 * Sorting().refractory_ms) < 3e-6
    return set(spikes.loc[near[near].index, "unit"])


def alike(ours, theirs, channel):
    """Pair the units of a channel in their order, where both have as many."""
    a, b = ([train for (c, _), train in units.items() if c == channel] for units in (ours, theirs))
    return list(zip(a, b, strict=True)) if len(a) == len(b) else []


@pytest.mark.parametrize("vendor", ["open_ephys", "neuralynx"])
def test_the_nwb_files_tables_are_blackrocks_but_for_names_of_the_rig(run, vendor):
    ours, theirs = read_nwb(run / f"results/nwb/{vendor}.nwb"), read_nwb(run / "results/nwb/blackrock.nwb")
    named_by_rig = {"channel", "name", "channel_name", "session", "segment", "stream", "sampling_rate_hz"}
    for name in ("presentations", "units", "words"):
        a, b = getattr(ours, name), getattr(theirs, name)
        if name == "words":
            a = a[a["source"] == "digital"].reset_index(drop=True)
        for column in sorted(set(b.columns) - named_by_rig):
            if column in ("amplitude_uv", "snr"):
                # A rig's spikes at other fractions of a sample have another mean waveform.
                a_units, b_units = (one[one["kind"] != "online"][column] for one in (a, b))
                np.testing.assert_allclose(a_units, b_units, rtol=1e-6, err_msg=column)
                continue
            if column == "isi_violations_ratio":
                # An interval of the refractory period itself falls on either side by a rounded stamp.
                clear = ~b["unit"].isin(units_near_refractoriness(theirs.spikes)).to_numpy()
                assert clear.mean() > 0.8
                np.testing.assert_allclose(a[column][clear], b[column][clear], rtol=1e-6, err_msg=column)
                continue
            if b[column].dtype.kind == "f":
                # Neuralynx stamps are whole microseconds.
                near = 2e-3 if column.endswith("_ms") else 2e-5
                np.testing.assert_allclose(a[column], b[column], rtol=1e-6, atol=near, err_msg=column)
            else:
                assert a[column].tolist() == b[column].tolist(), (name, column)


def test_the_crossover_is_the_same_from_every_rig_that_tells_the_preferred_unit(run):
    crossovers = pd.read_parquet(run / "results/population/trajectories/crossover.parquet")
    crossovers = crossovers[crossovers["scope"] == "session"].set_index("session")
    assert {"blackrock", "plexon", "open_ephys", "neuralynx"} <= set(crossovers.index)
    assert not crossovers["reason"].str.startswith("fewer").any(), "nothing would be compared"
    expected = table(run, "blackrock", "trajectories/contrast")
    assert np.isfinite(expected["difference"]).all() and expected["difference"].std() > 0
    for vendor in ("open_ephys", "neuralynx"):
        ours, theirs = crossovers.loc[vendor], crossovers.loc["blackrock"]
        assert ours["reason"] == theirs["reason"]
        np.testing.assert_allclose(ours["crossover_ms"], theirs["crossover_ms"], atol=1e-6)
        contrast = table(run, vendor, "trajectories/contrast")
        np.testing.assert_allclose(contrast["difference"], expected["difference"], atol=1e-6)
        assert contrast["window"].tolist() == expected["window"].tolist()


def test_sessions_start_when_the_sheet_or_the_header_says(run):
    for vendor in RAW:
        start = read_nwb(run / f"results/nwb/{vendor}.nwb").start
        assert start.date() == dt.date(2026, 3, 2), vendor
