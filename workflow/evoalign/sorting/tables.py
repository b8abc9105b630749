"""Tables of units, spikes and electrodes."""

from __future__ import annotations

from evoalign.tables import FLAG, FLOAT, INT, TEXT, column, table

UNITS = table(
    "units",
    column("unit", INT, "", "unit number from 0, unique in the session"),
    column("kind", TEXT, "", "'sorted', 'multiunit', 'online' or 'envelope'"),
    column("channel", INT, "", "the vendor's channel number"),
    column("vendor_unit", INT, "", "online unit number for kind 'online'; else -1"),
    column("area", TEXT, "", "visual area from the array map; '' when unknown"),
    column("n_spikes", INT, "spikes", "in the whole recording"),
    column("rate_hz", FLOAT, "spikes/s", "mean rate over the recording"),
    column(
        "amplitude_uv",
        FLOAT,
        "µV",
        "size of the larger extreme of the mean waveform from its baseline; NaN when unknown",
    ),
    column("snr", FLOAT, "", "amplitude over noise (1.4826 MAD); NaN when unknown"),
    column(
        "isi_violations_ratio", FLOAT, "", "contamination by ISIs below the refractory period (Hill 2011)"
    ),
    column("presence_ratio", FLOAT, "", "share of time bins with spikes"),
    column("amplitude_cutoff", FLOAT, "", "estimated share of spikes lost below threshold; NaN when unknown"),
    column("label", TEXT, "", "'good', 'mua' or 'noise', by the thresholds in config"),
    column("preferred", FLAG, "", "the unit that drove the evolution"),
    column(
        "preferred_agreement",
        FLOAT,
        "",
        "agreement with the online preferred unit, 0..1; NaN when not compared",
    ),
    column("baseline_hz", FLOAT, "spikes/s", "mean rate before the response; NaN without presentations"),
    column(
        "baseline_drift",
        FLOAT,
        "",
        "its fitted change from first to last block over its mean; NaN when unknown",
    ),
    column("baseline_p", FLOAT, "", "p value of its trend over blocks (Spearman); NaN when unknown"),
)

SPIKES = table(
    "spikes",
    column("unit", INT, "", "unit number"),
    column("time_s", FLOAT, "s", "time on the recording's clock"),
)

WAVEFORMS = table(
    "waveforms",
    column("unit", INT, "", "unit number"),
    column("time_ms", FLOAT, "ms", "time from the trough"),
    column("mean_uv", FLOAT, "µV", "mean over spikes"),
    column("sd_uv", FLOAT, "µV", "standard deviation over spikes"),
)

BAD_CHANNELS = table(
    "bad_channels",
    column("channel", INT, "", "the vendor's channel number"),
    column("reason", TEXT, "", "'flat', 'saturated', 'line noise', 'noise', 'duplicate', ..; '' when good"),
    column("noise_uv", FLOAT, "µV", "1.4826 MAD of the filtered, referenced and blanked voltage"),
    column(
        "raw_sd_uv", FLOAT, "µV", "SD as recorded; this and the next three of some seconds, evenly spread"
    ),
    column("filtered_sd_uv", FLOAT, "µV", "SD after the band-pass"),
    column("referenced_sd_uv", FLOAT, "µV", "SD after band-pass and reference"),
    column("blanked_sd_uv", FLOAT, "µV", "SD after band-pass, reference and blanking"),
    column("blanked_share", FLOAT, "", "share of the recorded time that is blanked"),
)

ARTEFACTS = table(
    "artefacts",
    column("reason", TEXT, "", "'common' to electrodes that share a reference, or 'saturated'"),
    column("group", TEXT, "", "array or connector of a common artefact; '' for all electrodes or one"),
    column("channel", INT, "", "the vendor's channel number of a saturated electrode; -1 of a common one"),
    column("start_s", FLOAT, "s", "first time that is blanked, on the recording's clock"),
    column("stop_s", FLOAT, "s", "end of it"),
)
