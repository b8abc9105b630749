"""Settings of sorting."""

from __future__ import annotations

from typing import Any, Literal

from evoalign.settings import Section, setting

DEFAULT_SORTER = "electrode"


class Sorting(Section):
    """Voltages -> units."""

    sorter: str = setting(
        DEFAULT_SORTER, "'electrode' (ours, for single electrodes) or the name of a SpikeInterface sorter"
    )
    sorter_params: dict[str, Any] = setting({}, "passed to the SpikeInterface sorter")
    per_electrode: bool = setting(True, "run a SpikeInterface sorter on each electrode by itself")
    highpass_hz: float = setting(300.0, "lower edge of the spike band", ge=1, le=3000)
    lowpass_hz: float = setting(6000.0, "upper edge of the spike band", ge=1000, le=20_000)
    reference: Literal["none", "array", "connector"] = setting(
        "array", "median reference over this group of electrodes"
    )
    detect_threshold: float = setting(4.5, "detection threshold in noise SDs (1.4826 MAD)", ge=2, le=20)
    multiunit: bool = setting(True, "also write each electrode's threshold crossings as a multi-unit")
    online: bool = setting(True, "also carry the units that were sorted online")
    min_unsorted_spikes: int = setting(
        10, "the rig's unit 0, what it left unsorted, is carried above this many spikes", ge=0
    )
    refractory_ms: float = setting(1.0, "refractory period for ISI violations and merges", ge=0.1, le=10)
    good_snr: float = setting(3.0, "a unit below is labelled 'mua'", ge=0)
    good_isi_violations: float = setting(0.5, "a unit above is labelled 'mua'", ge=0)
    good_presence: float = setting(0.8, "a unit below is labelled 'mua'", ge=0, le=1)
    reference_min_channels: int = setting(
        8, "a median over fewer good electrodes would carry their spikes into the others", ge=2, le=256
    )
    noise_snr: float = setting(1.5, "a unit below is labelled 'noise'", ge=0)
    min_spikes: int = setting(30, "fewer spikes on an electrode are no unit of its own", ge=5, le=10_000)
    match_gain: float = setting(
        30.0, "a matched spike explains at least this much of the whitened trace, in noise variances", ge=5
    )
    bad_saturated: float = setting(
        0.01, "an electrode with a larger share of samples at its extremes is saturated", gt=0, le=1
    )
    bad_line_noise: float = setting(
        0.5,
        "an electrode with a larger share of spike-band power at 50/60 Hz and harmonics is left out",
        gt=0,
        le=1,
    )
    bad_noise_ratio: float = setting(
        4.0, "noise this many times above or below the median electrode's means noise or no contact", gt=1
    )
    noise_range_uv: tuple[float, float] = setting(
        (0.1, 500.0),
        "refuse a recording whose median electrode's noise lies outside: its gain is wrong",
    )
    bad_duplicate: float = setting(
        0.98, "an electrode with a higher correlation with one before it repeats that one", gt=0.5, le=1
    )
    preferred_min_agreement: float = setting(
        0.5, "below this agreement with the online unit, the channel's multi-unit is preferred", ge=0, le=1
    )
    leave_out_bad: bool = setting(
        True, "leave bad electrodes out; false: only flat ones, which cannot be sorted"
    )
    blank_artefacts: bool = setting(
        True, "blank what hits most electrodes of an array at once: stimulation, chewing, movement"
    )
    artefact_threshold: float = setting(
        6.0, "an electrode is hit beyond this, in SDs of its own band around 1 kHz", ge=3, le=100
    )
    artefact_share: float = setting(
        0.75, "an artefact hits this share of the electrodes that share a reference", gt=0.2, le=1
    )
    blank_saturated: bool = setting(True, "blank an electrode while its amplifier is at its limit")
    saturated_ms: float = setting(
        0.3, "a voltage that stays at its extreme for this long is saturated", ge=0.1, le=1000
    )
    blank_pad_ms: float = setting(2.0, "blanked before and after too: filters ring", ge=0, le=1000)
    envelope: bool = setting(False, "also the multi-unit envelope (MUAe) of each electrode, as a unit kind")
    envelope_band_hz: tuple[float, float] = setting(
        (500.0, 5000.0), "band whose rectified voltage is the envelope (Super & Roelfsema 2005)"
    )
    envelope_lowpass_hz: float = setting(200.0, "the envelope's own upper edge", ge=1, le=450)
    stable_drift: float = setting(
        0.5, "a unit is unstable when its baseline changes by more than this share of its mean", gt=0, le=10
    )
    stable_p: float = setting(0.01, "and this trend over blocks has a smaller p value", gt=0, le=1)
