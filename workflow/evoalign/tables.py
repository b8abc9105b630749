"""The column contracts of every table written between stages.

A contract is a `pyarrow.Schema`: each field has a name, a dtype and, in its
metadata, a unit and a meaning. `write` refuses a frame that breaks its
contract, so a reader of the file may rely on it; the units and meanings
travel in the Parquet file.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from evoalign.errors import InputError
from evoalign.files import atomic_write

INT, FLOAT, TEXT, FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()


def _column(name: str, dtype: pa.DataType, unit: str, meaning: str) -> pa.Field:
    return pa.field(name, dtype, metadata={"unit": unit, "meaning": meaning})


def _table(name: str, *columns: pa.Field) -> pa.Schema:
    return pa.schema(columns, metadata={"table": name})


# --- recordings -------------------------------------------------------------

CHANNELS = _table(
    "channels",
    _column("channel", INT, "", "the vendor's channel number, from 1"),
    _column("name", TEXT, "", "label in the file"),
    _column("kind", TEXT, "", "'neural' or 'analog' (photodiode, eye, ..)"),
    _column("stream", TEXT, "", "continuous stream that holds it; '' when only spikes were saved"),
    _column("sampling_rate_hz", FLOAT, "Hz", "of the stream, or of the spike clock"),
    _column("gain_uv", FLOAT, "µV", "microvolts per count"),
    _column("array", TEXT, "", "array name from the array map; '' when unknown"),
    _column("connector", TEXT, "", "headstage connector or bank; '' when unknown"),
    _column("area", TEXT, "", "visual area from the array map; '' when unknown"),
    _column("x_um", FLOAT, "µm", "position on the array; NaN when unknown"),
    _column("y_um", FLOAT, "µm", "position on the array; NaN when unknown"),
)

SEGMENTS = _table(
    "segments",
    _column("stream", TEXT, "", "continuous stream"),
    _column("segment", INT, "", "index from 0; a pause or clock reset starts a new one"),
    _column("start_s", FLOAT, "s", "time of its first sample on the recording's clock"),
    _column("n_samples", INT, "samples", "length"),
    _column("sampling_rate_hz", FLOAT, "Hz", "nominal sampling rate"),
)

WORDS = _table(
    "words",
    _column("time_s", FLOAT, "s", "time on the recording's clock"),
    _column("word", INT, "", "value of the digital input, or bit number for single-bit inputs"),
    _column("source", TEXT, "", "'digital', 'serial', 'strobed', 'bit', 'start', 'stop', 'comment'"),
    _column("segment", INT, "", "segment of the recording that holds it"),
)

ONLINE_SPIKES = _table(
    "online_spikes",
    _column("channel", INT, "", "the vendor's channel number"),
    _column("unit", INT, "", "the vendor's online unit: 0 unsorted, 1 = a, 2 = b, .."),
    _column("time_s", FLOAT, "s", "time on the recording's clock"),
)

# --- events -----------------------------------------------------------------

LOG = _table(
    "log",
    _column("presentation", INT, "", "row number from 0, in the order of showing"),
    _column("trial", INT, "", "trial number from 1"),
    _column("image", TEXT, "", "image name without suffix"),
    _column("onset_word", INT, "", "event word sent at image onset"),
    _column("offset_word", INT, "", "event word sent at image offset"),
    _column("onset_s", FLOAT, "s", "onset on the clock of the stimulus computer"),
    _column("offset_s", FLOAT, "s", "offset on the clock of the stimulus computer"),
    _column("block", INT, "", "block (= generation) from 1; -1 when unknown"),
    _column("thread", INT, "", "thread 0 or 1; -1 when unknown"),
    _column("space", TEXT, "", "name of the thread's space; '' when unknown"),
    _column("latent_row", INT, "", "row in the thread's code matrix of the block; -1 for none"),
    _column("reference", FLAG, "", "a natural reference image"),
    _column("reason", TEXT, "", "why the log's own times cannot be trusted; '' when they can"),
)

PRESENTATIONS = _table(
    "presentations",
    _column("presentation", INT, "", "row number from 0, in the order of the log"),
    _column("trial", INT, "", "trial number from 1"),
    _column("image", TEXT, "", "image name without suffix"),
    _column("block", INT, "", "block (= generation) from 1; -1 when unknown"),
    _column("thread", INT, "", "thread 0 or 1; -1 when unknown"),
    _column("space", TEXT, "", "name of the thread's space; '' when unknown"),
    _column("latent_row", INT, "", "row in the thread's code matrix of the block; -1 for none"),
    _column("reference", FLAG, "", "a natural reference image"),
    _column("repeat", INT, "", "how many times the image was shown before in the session"),
    _column("onset_s", FLOAT, "s", "true onset on the recording's clock"),
    _column("offset_s", FLOAT, "s", "true offset on the recording's clock"),
    _column(
        "onset_source",
        TEXT,
        "",
        "'photodiode', 'word' (plus display delay), 'log' (clock fit) or 'file' (another tool's NWB)",
    ),
    _column("word_s", FLOAT, "s", "time of the matched onset word; NaN when missing"),
    _column("log_s", FLOAT, "s", "onset on the stimulus computer's clock"),
    _column("residual_ms", FLOAT, "ms", "word time minus clock fit; NaN when missing"),
    _column("valid", FLAG, "", "may be analysed"),
    _column("reason", TEXT, "", "why not valid; '' when valid"),
)

ALIGNMENT = _table(
    "alignment",
    _column("session", TEXT, "", "session"),
    _column("n_presentations", INT, "", "presentations in the stimulus log"),
    _column("n_valid", INT, "", "presentations that may be analysed"),
    _column("matched", INT, "", "presentations matched to an onset word"),
    _column("missing", INT, "", "presentations without a word"),
    _column("extra", INT, "", "image words without a presentation"),
    _column("offset_s", FLOAT, "s", "recording clock minus log clock at log time 0"),
    _column("drift_ppm", FLOAT, "ppm", "relative rate of the two clocks"),
    _column("residual_median_ms", FLOAT, "ms", "median |word - fit|"),
    _column("residual_p99_ms", FLOAT, "ms", "99th percentile of |word - fit|"),
    _column("photodiode_fraction", FLOAT, "", "presentations whose onset is photodiode-true"),
    _column("delay_median_ms", FLOAT, "ms", "median photodiode onset minus word; NaN without photodiode"),
    _column("delay_p99_ms", FLOAT, "ms", "99th percentile of the same; NaN without photodiode"),
)

# --- sorting ----------------------------------------------------------------

UNITS = _table(
    "units",
    _column("unit", INT, "", "unit number from 0, unique in the session"),
    _column("kind", TEXT, "", "'sorted', 'multiunit', 'online' or 'envelope'"),
    _column("channel", INT, "", "the vendor's channel number"),
    _column("vendor_unit", INT, "", "online unit number for kind 'online'; else -1"),
    _column("area", TEXT, "", "visual area from the array map; '' when unknown"),
    _column("n_spikes", INT, "spikes", "in the whole recording"),
    _column("rate_hz", FLOAT, "spikes/s", "mean rate over the recording"),
    _column("amplitude_uv", FLOAT, "µV", "trough-to-baseline size of the mean waveform; NaN when unknown"),
    _column("snr", FLOAT, "", "amplitude over noise (1.4826 MAD); NaN when unknown"),
    _column(
        "isi_violations_ratio", FLOAT, "", "contamination by ISIs below the refractory period (Hill 2011)"
    ),
    _column("presence_ratio", FLOAT, "", "share of time bins with spikes"),
    _column(
        "amplitude_cutoff", FLOAT, "", "estimated share of spikes lost below threshold; NaN when unknown"
    ),
    _column("label", TEXT, "", "'good', 'mua' or 'noise', by the thresholds in config"),
    _column("preferred", FLAG, "", "the unit that drove the evolution"),
    _column(
        "preferred_agreement",
        FLOAT,
        "",
        "agreement with the online preferred unit, 0..1; NaN when not compared",
    ),
    _column("baseline_hz", FLOAT, "spikes/s", "mean rate before the response; NaN without presentations"),
    _column(
        "baseline_drift",
        FLOAT,
        "",
        "its fitted change from first to last block over its mean; NaN when unknown",
    ),
    _column("baseline_p", FLOAT, "", "p value of its trend over blocks (Spearman); NaN when unknown"),
)

SPIKES = _table(
    "spikes",
    _column("unit", INT, "", "unit number"),
    _column("time_s", FLOAT, "s", "time on the recording's clock"),
)

WAVEFORMS = _table(
    "waveforms",
    _column("unit", INT, "", "unit number"),
    _column("time_ms", FLOAT, "ms", "time from the trough"),
    _column("mean_uv", FLOAT, "µV", "mean over spikes"),
    _column("sd_uv", FLOAT, "µV", "standard deviation over spikes"),
)

BAD_CHANNELS = _table(
    "bad_channels",
    _column("channel", INT, "", "the vendor's channel number"),
    _column("reason", TEXT, "", "'flat', 'saturated', 'line noise', 'noise', 'duplicate', ..; '' when good"),
    _column("noise_uv", FLOAT, "µV", "1.4826 MAD of the filtered, referenced and blanked voltage"),
    _column(
        "raw_sd_uv", FLOAT, "µV", "SD as recorded; this and the next three of some seconds, evenly spread"
    ),
    _column("filtered_sd_uv", FLOAT, "µV", "SD after the band-pass"),
    _column("referenced_sd_uv", FLOAT, "µV", "SD after band-pass and reference"),
    _column("blanked_sd_uv", FLOAT, "µV", "SD after band-pass, reference and blanking"),
    _column("blanked_share", FLOAT, "", "share of the recorded time that is blanked"),
)

ARTEFACTS = _table(
    "artefacts",
    _column("reason", TEXT, "", "'common' to electrodes that share a reference, or 'saturated'"),
    _column("group", TEXT, "", "array or connector of a common artefact; '' for all electrodes or one"),
    _column("channel", INT, "", "the vendor's channel number of a saturated electrode; -1 of a common one"),
    _column("start_s", FLOAT, "s", "first time that is blanked, on the recording's clock"),
    _column("stop_s", FLOAT, "s", "end of it"),
)

# --- nwb --------------------------------------------------------------------

GENERATORS = _table(
    "generators",
    _column("thread", INT, "", "thread 0 or 1"),
    _column("space", TEXT, "", "name of the thread's space"),
    _column("latent_dim", INT, "", "length of a latent vector; -1 when unknown"),
    _column("weights_sha256", TEXT, "", "checksum of the generator's weights; '' without or when unknown"),
    _column("metric", TEXT, "", "image metric of its Hessian frame; '' when none"),
    _column("fixed_noise", TEXT, "", "noise kept fixed beside the latents, as 'x y ..'; '' when unknown"),
    _column("generator", TEXT, "", "what makes the images, JSON of `Space.describe`; '' when unknown"),
)

RAW_FILES = _table(
    "raw_files",
    _column("file", TEXT, "", "name of a raw file; with its path where config says nwb.raw: link"),
    _column("sha256", TEXT, "", "checksum of its content"),
)

FINDINGS = _table(
    "findings",
    _column("tool", TEXT, "", "'nwbinspector', 'pynwb' or 'dandi'"),
    _column("importance", TEXT, "", "as the tool names it"),
    _column("check", TEXT, "", "name of the check"),
    _column("location", TEXT, "", "object and path in the file"),
    _column("message", TEXT, "", "what was found"),
)

# --- analysis ---------------------------------------------------------------
# One experiment (= session) a table, then tables pooled over the experiments of each area.


def _experiment_columns(*more: str) -> list[pa.Field]:
    meanings = {
        "session": (TEXT, "session"),
        "subject": (TEXT, "the animal"),
        "area": (TEXT, "visual area of the unit; '' when unknown"),
        "site": (TEXT, "recording site: animal, array, channel and unit; the session when unknown"),
        "thread": (INT, "thread 0 or 1; -1 for a comparison across threads"),
        "space": (TEXT, "name of the thread's space; '' across threads"),
        "kind": (TEXT, "'texture', 'object' or '': what the space counts as"),
        "stimuli": (TEXT, "'generated' or 'reference' images"),
    }
    return [_column(name, meanings[name][0], "", meanings[name][1]) for name in more]


_THREAD = _experiment_columns("session", "subject", "area", "site", "thread", "space", "kind")
_START = _column("start_ms", INT, "ms", "start of the window, from image onset")
_STOP = _column("stop_ms", INT, "ms", "end of the window (not in it)")
_BLOCK = _column("block", INT, "", "block number as in the stimulus log")
_BLOCK_INDEX = _column("block_index", INT, "", "block counted from 0")
_AREA = _column("area", TEXT, "", "visual area; '' when unknown")
_SELECTION = _column(
    "selection", TEXT, "", "'valid' experiments, of them those where 'any' thread or 'both' threads succeed"
)


def _test_columns(across: str) -> list[pa.Field]:
    return [
        _column("t", FLOAT, "", f"t statistic, {across}; NaN with too few"),
        _column("df", FLOAT, "", "its degrees of freedom"),
        _column("p", FLOAT, "", "two-sided p value"),
    ]


def _site_columns(*, paired: bool = True, family: bool = False) -> list[pa.Field]:
    names = ("n_sites",) if paired else ("texture_n_sites", "object_n_sites")
    return [
        *(_column(name, INT, "", "recording sites that have a value") for name in names),
        _column("t_site", FLOAT, "", "the same test over site means; NaN with too few sites"),
        _column("df_site", FLOAT, "", "its degrees of freedom"),
        _column("p_site", FLOAT, "", "its two-sided p value"),
        *([_column("q_site", FLOAT, "", "p_site adjusted as q is")] if family else []),
    ]


def _space_columns(unit: str, paired: bool) -> list[pa.Field]:
    columns = []
    for kind in ("texture", "object"):
        if not paired:
            columns.append(_column(f"{kind}_n", INT, "", "experiments"))
        columns += [
            _column(f"{kind}_mean", FLOAT, unit, "mean over experiments"),
            _column(f"{kind}_sem", FLOAT, unit, "standard error over experiments"),
            _column(f"{kind}_low", FLOAT, unit, "lower end of the bootstrap interval"),
            _column(f"{kind}_high", FLOAT, unit, "upper end of the bootstrap interval"),
        ]
    return columns


_FAMILY = _column("q", FLOAT, "", "Benjamini-Hochberg adjusted p within the panel")
_LARGER = _column("larger", TEXT, "", "the larger space where q is below the level; '' elsewhere")

EXPERIMENTS = _table(
    "experiments",
    *_experiment_columns("session", "subject", "area", "site"),
    _column("unit", INT, "", "unit number in the session"),
    _column("space_0", TEXT, "", "space of thread 0"),
    _column("space_1", TEXT, "", "space of thread 1"),
    _column("optimiser_0", TEXT, "", "optimiser of thread 0; '' when unknown"),
    _column("optimiser_1", TEXT, "", "optimiser of thread 1; '' when unknown"),
    _column("n_blocks", INT, "", "blocks that are analysed"),
    _column("dropped_last", FLAG, "", "the last block was too short and is left out"),
    _column("n_presentations", INT, "", "presentations that are analysed"),
    _column("n_invalid", INT, "", "presentations left out because they may not be analysed"),
    _column("normaliser_hz", FLOAT, "spikes/s", "max over blocks and threads of the evoked block mean"),
    _column("valid", FLAG, "", "counts in the pooled tables"),
    _column("reason", TEXT, "", "why not valid; '' when valid"),
    _column("best_block_0", INT, "", "block index from 0 with the largest evoked mean, thread 0"),
    _column("best_block_1", INT, "", "the same, thread 1"),
    _column("best_image_0", TEXT, "", "image with the largest evoked mean in that block, thread 0"),
    _column("best_image_1", TEXT, "", "the same, thread 1"),
    _column("t_0", FLOAT, "", "t of maxinit, thread 0"),
    _column("p_0", FLOAT, "", "p of maxinit, thread 0"),
    _column("t_1", FLOAT, "", "t of maxinit, thread 1"),
    _column("p_1", FLOAT, "", "p of maxinit, thread 1"),
    _column("succeeds_0", FLAG, "", "thread 0 succeeds at analysis.success_p"),
    _column("succeeds_1", FLAG, "", "thread 1 succeeds at analysis.success_p"),
    _column("any_succeeds", FLAG, "", "either thread succeeds at analysis.both_succeed_p"),
    _column("both_succeed", FLAG, "", "both threads succeed at analysis.both_succeed_p"),
)

SUCCESS = _table(
    "success",
    *_THREAD,
    _column("statistic", TEXT, "", "endinit, maxinit, maxend, init_01, max_01 or end_01"),
    *_test_columns("first minus second group of single presentations"),
    _column("mean_1", FLOAT, "spikes/s", "mean of the first group"),
    _column("mean_2", FLOAT, "spikes/s", "mean of the second group"),
    _column("n_1", INT, "", "presentations in the first group"),
    _column("n_2", INT, "", "presentations in the second group"),
    _column(
        "p_selected",
        FLOAT,
        "",
        "maxinit, maxend: one-sided p that allows for the choice of the best block; else NaN",
    ),
    _column(
        "log_ratio",
        FLOAT,
        "",
        "a thread's: change of log(generated over reference rate of the block), first minus second group; "
        "NaN across threads, with under 2 references in a block, or with a block without response",
    ),
    _column("t_relative", FLOAT, "", "log_ratio over its standard error, the references' noise included"),
    _column(
        "p_relative",
        FLOAT,
        "",
        "its one-sided p, which a drift of gain does not change and which allows for the choice of the block",
    ),
)

TRAJECTORIES = _table(
    "trajectories",
    *_THREAD,
    *_experiment_columns("stimuli"),
    _column("window", TEXT, "", "'evoked', 'baseline' or 'binned'"),
    _START,
    _STOP,
    _BLOCK,
    _BLOCK_INDEX,
    _column("mean_hz", FLOAT, "spikes/s", "mean over presentations; NaN without any"),
    _column("sem_hz", FLOAT, "spikes/s", "standard error over presentations"),
    _column("n", INT, "", "presentations"),
    _column("normalised", FLOAT, "", "mean over the experiment's normaliser"),
    _column("normalised_sem", FLOAT, "", "standard error over the experiment's normaliser"),
)

PSTH = _table(
    "psth",
    *_THREAD,
    *_experiment_columns("stimuli"),
    _BLOCK,
    _BLOCK_INDEX,
    _column("time_ms", INT, "ms", "left edge of the 1 ms bin, from image onset"),
    _column("mean_hz", FLOAT, "spikes/s", "mean over presentations"),
    _column("sem_hz", FLOAT, "spikes/s", "standard error over presentations"),
    _column("n", INT, "", "presentations"),
)

BLOCK_IMAGES = _table(
    "block_images",
    *_THREAD,
    _BLOCK,
    _BLOCK_INDEX,
    _column("image", TEXT, "", "generated image with the largest mean evoked rate; '' without any"),
    _column("mean_hz", FLOAT, "spikes/s", "its mean evoked rate; NaN without any"),
    _column("n", INT, "", "its presentations"),
)

REFERENCE_IMAGES = _table(
    "reference_images",
    *_experiment_columns("session", "subject", "area", "site"),
    _column("image", TEXT, "", "name of the natural image"),
    _column("n", INT, "", "presentations, in both threads and all blocks"),
    _column("mean_hz", FLOAT, "spikes/s", "mean evoked rate"),
    _column("sem_hz", FLOAT, "spikes/s", "standard error over presentations; NaN with one"),
)

REFERENCE_PSTH = _table(
    "reference_psth",
    *_experiment_columns("session", "subject", "area", "site"),
    _column("image", TEXT, "", "name of the natural image"),
    _column("time_ms", INT, "ms", "left edge of the 1 ms bin, from image onset"),
    _column("mean_hz", FLOAT, "spikes/s", "mean over presentations"),
    _column("sem_hz", FLOAT, "spikes/s", "standard error over presentations; NaN with one"),
)

ATTRIBUTION = _table(
    "attribution",
    *_THREAD,
    _START,
    _STOP,
    _column("difference_hz", FLOAT, "spikes/s", "best block minus first block"),
    _column("share", FLOAT, "", "difference over its sum over bins; NaN when that is not positive"),
)

CENTRES = _table(
    "centres",
    *_THREAD,
    _column("curve", TEXT, "", "'attribution', or the PSTH of the 'first', 'best' or 'last' block"),
    _column("centre_ms", FLOAT, "ms", "centre of mass; NaN when the mass is not positive"),
)

TIME_CONSTANTS = _table(
    "time_constants",
    *_THREAD,
    _column("level", TEXT, "", "what is subtracted: 'bslinit' first block, 'bsl' mean baseline, 'zero'"),
    _column("theta", FLOAT, "", "share of the maximum"),
    _column("first_above", FLOAT, "blocks", "first block index above theta x maximum; NaN when none"),
    _column("below", FLOAT, "blocks", "blocks that are not above it; NaN when none is"),
)

CONTRAST = _table(
    "contrast",
    *_experiment_columns("session", "subject", "area", "site"),
    _column("window", TEXT, "", "'evoked' or 'binned'"),
    _START,
    _STOP,
    _column("texture_hz", FLOAT, "spikes/s", "mean over late presentations of the texture thread"),
    _column("object_hz", FLOAT, "spikes/s", "mean over late presentations of the object thread"),
    _column("difference", FLOAT, "", "object minus texture over the normaliser"),
    _column("sem", FLOAT, "", "standard error of the difference over presentations"),
    _column("texture_n", INT, "", "late presentations of the texture thread"),
    _column("object_n", INT, "", "late presentations of the object thread"),
    *_test_columns("object minus texture, single presentations"),
    _FAMILY,
)

CROSSOVER = _table(
    "crossover",
    _column("scope", TEXT, "", "'session' or 'area'"),
    _column("session", TEXT, "", "session; '' for an area"),
    _AREA,
    _column(
        "selection",
        TEXT,
        "",
        "'valid' experiments, or those where 'any' thread or 'both' succeed; '' of a session",
    ),
    _column("n", INT, "", "experiments of an area, late blocks of a session"),
    _column("n_sites", INT, "", "sites of these experiments, over whose means it is tested; 1 of a session"),
    _column(
        "crossover_ms",
        FLOAT,
        "ms",
        "when the lead passes from texture to object; NaN unless both lead significantly, in this order",
    ),
    _column("low_ms", FLOAT, "ms", "first time at which the contrast is not told from 0; NaN with few n"),
    _column("high_ms", FLOAT, "ms", "last such time between the two leads"),
    _column("p_texture", FLOAT, "", "family-wise p of the strongest lead of texture; NaN when not tested"),
    _column("p_object", FLOAT, "", "the same of object"),
    _column("reason", TEXT, "", "why there is no crossover; '' when there is one"),
    _column("interval_reason", TEXT, "", "why a crossover has no interval; '' otherwise"),
)

SUCCESS_RATES = _table(
    "success_rates",
    _AREA,
    _column("threshold", FLOAT, "", "of p(maxinit)"),
    _column("threads", TEXT, "", "'texture', 'object', 'any' or 'both' succeed"),
    _column("k", INT, "", "experiments that succeed"),
    _column("n", INT, "", "valid experiments"),
    _column("rate", FLOAT, "", "k / n; NaN when n is 0"),
    _column("low", FLOAT, "", "5 % quantile of Beta(k+1, n-k+1)"),
    _column("high", FLOAT, "", "95 % quantile of it"),
    _column("n_sites", INT, "", "recording sites"),
    _column("site_rate", FLOAT, "", "mean over sites of the share of a site's experiments that succeed"),
    _column("site_low", FLOAT, "", "5 % quantile of Beta(k+1, n-k+1) with n sites and k = n x site_rate"),
    _column("site_high", FLOAT, "", "95 % quantile of it"),
)

SUCCESS_SPLITS = _table(
    "success_splits",
    _column("area", TEXT, "", "visual area, or 'all'"),
    _column("split", TEXT, "", "what 'name' is: the thread's 'space' or its 'optimiser'"),
    _column("kind", TEXT, "", "kind of the thread's space: 'texture' or 'object'"),
    _column("name", TEXT, "", "of the space or the optimiser"),
    _column("threshold", FLOAT, "", "of p(maxinit): analysis.success_p"),
    _column("k", INT, "", "experiments whose thread succeeds"),
    _column("n", INT, "", "valid experiments whose thread has that space or optimiser"),
    _column("rate", FLOAT, "", "k / n"),
    _column("low", FLOAT, "", "5 % quantile of Beta(k+1, n-k+1)"),
    _column("high", FLOAT, "", "95 % quantile of it"),
)

PADDED = _table(
    "padded",
    *_experiment_columns("session", "subject", "area", "site", "kind"),
    _BLOCK_INDEX,
    _column("value", FLOAT, "", "evoked block mean over the normaliser, padded"),
    _column("real", FLAG, "", "a block that was shown; else padding"),
)

POPULATION_TRAJECTORIES = _table(
    "population_trajectories",
    _AREA,
    _column(
        "selection",
        TEXT,
        "",
        "'valid' experiments, of them those where 'any' thread or 'both' threads succeed, or 'both_strict': "
        "both at analysis.success_p",
    ),
    _column("window", TEXT, "", "'evoked', 'baseline' or 'binned'"),
    _START,
    _STOP,
    _BLOCK_INDEX,
    _column("n", INT, "", "experiments, padded ones with them"),
    _column("n_real", INT, "", "experiments that showed this block"),
    *_space_columns("", paired=True),
    _column("difference_low", FLOAT, "", "object minus texture: lower end of the bootstrap interval"),
    _column("difference_high", FLOAT, "", "upper end of it"),
    *_test_columns("paired over experiments, texture minus object"),
    _FAMILY,
    _LARGER,
    *_site_columns(family=True),
)

ACTIVATION = _table(
    "activation",
    *_experiment_columns("session", "subject", "area", "site", "kind"),
    _column("stage", TEXT, "", "'initial' (first block) or 'final' (last padded block)"),
    _column("value", FLOAT, "", "evoked block mean over the normaliser"),
)

ACTIVATION_TESTS = _table(
    "activation_tests",
    _AREA,
    _SELECTION,
    _column("stage", TEXT, "", "'initial' or 'final'"),
    _column("n", INT, "", "experiments"),
    *_space_columns("", paired=True),
    *_test_columns("paired over experiments, texture minus object"),
    *_site_columns(),
)

POPULATION_TIME_CONSTANTS = _table(
    "population_time_constants",
    _AREA,
    _column("level", TEXT, "", "'bslinit', 'bsl' or 'zero'"),
    _column("theta", FLOAT, "", "share of the maximum"),
    *_space_columns("blocks", paired=False),
    *_test_columns("two-sample over successful threads, texture minus object"),
    *_site_columns(paired=False),
)

TIME_CONSTANT_TESTS = _table(
    "time_constant_tests",
    _column(
        "comparison", TEXT, "", "'areas': one space in two areas, two-sample; 'spaces': one area, paired"
    ),
    _column("area_1", TEXT, "", "visual area of the first group"),
    _column("space_1", TEXT, "", "its kind of space, 'texture' or 'object'"),
    _column("area_2", TEXT, "", "visual area of the second group"),
    _column("space_2", TEXT, "", "its kind of space"),
    _column("level", TEXT, "", "'bslinit', 'bsl' or 'zero'"),
    _column("theta", FLOAT, "", "share of the maximum"),
    _column("n_1", INT, "", "threads of the first group that succeed at analysis.success_p; pairs"),
    _column("n_2", INT, "", "of the second group; pairs"),
    _column("difference", FLOAT, "blocks", "mean of the first minus mean of the second group"),
    _column("low", FLOAT, "blocks", "lower end of its 95 % interval, of the t distribution"),
    _column("high", FLOAT, "blocks", "upper end of it"),
    *_test_columns("first minus second group"),
    _column("n_sites_1", INT, "", "recording sites of the first group; of the pairs"),
    _column("n_sites_2", INT, "", "recording sites of the second group; of the pairs"),
    *_site_columns(paired=False)[2:],
    _column("q", FLOAT, "", "Benjamini-Hochberg adjusted p over the tests of the level and theta"),
    _column("study", FLAG, "", "one of the study's three tests"),
)

POPULATION_PSTH = _table(
    "population_psth",
    _AREA,
    _SELECTION,
    _column("stage", TEXT, "", "'first', 'best' or 'last' block; 'last' padded: the mean of the last two"),
    _column("time_ms", INT, "ms", "left edge of the 1 ms bin, from image onset"),
    _column("n", INT, "", "experiments"),
    *_space_columns("", paired=True),
)

POPULATION_ATTRIBUTION = _table(
    "population_attribution",
    _AREA,
    _START,
    _STOP,
    *_space_columns("", paired=False),
    *_test_columns("two-sample over successful threads, texture minus object"),
    _column("q", FLOAT, "", "Benjamini-Hochberg adjusted p over the bins of one width"),
    _LARGER,
    *_site_columns(paired=False, family=True),
)

POPULATION_CENTRES = _table(
    "population_centres",
    _AREA,
    _column("curve", TEXT, "", "'attribution', or the PSTH of the 'first', 'best' or 'last' block"),
    *_space_columns("ms", paired=False),
    *_test_columns("two-sample over successful threads, texture minus object"),
    *_site_columns(paired=False),
)

POPULATION_CONTRAST = _table(
    "population_contrast",
    _AREA,
    _column("window", TEXT, "", "'evoked' or 'binned'"),
    _START,
    _STOP,
    _column("n", INT, "", "valid experiments"),
    _column("mean", FLOAT, "", "late object minus texture over the normaliser, mean over experiments"),
    _column("sem", FLOAT, "", "standard error over experiments"),
    _column("low", FLOAT, "", "lower end of the bootstrap interval"),
    _column("high", FLOAT, "", "upper end of it"),
    *_test_columns("over experiments, against 0"),
    _FAMILY,
    *_site_columns(family=True),
    _column("z", FLOAT, "", "inverse-variance mean over its error: speaks of these experiments only"),
    _column("z_p", FLOAT, "", "its two-sided p value"),
    _column("z_q", FLOAT, "", "the same, Benjamini-Hochberg adjusted over the bins"),
)

ANIMAL_CONTRAST = _table(
    "animal_contrast",
    _AREA,
    *_experiment_columns("subject"),
    _column("window", TEXT, "", "'evoked' or 'binned'"),
    _START,
    _STOP,
    _column("n", INT, "", "valid experiments of the animal"),
    _column("mean", FLOAT, "", "late object minus texture over the normaliser, mean over experiments"),
    _column("sem", FLOAT, "", "standard error over experiments"),
)

MIXED_EFFECTS = _table(
    "mixed_effects",
    _AREA,
    _column("window", TEXT, "", "'evoked' or 'binned'"),
    _START,
    _STOP,
    _column("n", INT, "", "valid experiments"),
    _column("animals", INT, "", "animals"),
    _column("mean", FLOAT, "", "late object minus texture: fixed intercept, animal a random one"),
    _column("sem", FLOAT, "", "its standard error; NaN with one animal or too few experiments"),
    _column("z", FLOAT, "", "mean over its standard error"),
    _column("p", FLOAT, "", "two-sided p value of z, as a t of n - 1 degrees of freedom"),
    _FAMILY,
    _column("sd_animals", FLOAT, "", "standard deviation between animals (REML)"),
    _column("sd_experiments", FLOAT, "", "standard deviation between experiments of an animal"),
    _column("f_animals", FLOAT, "", "F of the one-way ANOVA between animals"),
    _column("p_animals", FLOAT, "", "its p value"),
    _column("q_animals", FLOAT, "", "Benjamini-Hochberg adjusted over the bins of the panel"),
)

LATENCIES = _table(
    "latencies",
    _AREA,
    _SELECTION,
    _column("space", TEXT, "", "the space that leads: 'texture' or 'object'"),
    _column("n", INT, "", "experiments"),
    _column("latency_ms", FLOAT, "ms", "start of the first significant lead that lasts; NaN when none"),
    _column(
        "low_ms", FLOAT, "ms", "lower end of the bootstrap interval, of draws with a lead; NaN with few n"
    ),
    _column("high_ms", FLOAT, "ms", "upper end of it"),
    _column("found", FLOAT, "", "share of bootstrap draws with a lead; NaN where there is no interval"),
    _column("p", FLOAT, "", "family-wise p of the space's strongest lead; NaN when not tested"),
    _column("reason", TEXT, "", "why there is no latency; '' when there is one"),
)

SPECIFICATIONS = _table(
    "specifications",
    _AREA,
    _START,
    _STOP,
    _column("selection", TEXT, "", "which experiments: 'valid', or both threads succeed at a threshold"),
    _column("normaliser", TEXT, "", "'maximum' (the study's), 'mean' of late evoked rates, or 'none'"),
    _column("n", INT, "", "experiments"),
    _column("mean", FLOAT, "", "late object minus texture; spikes/s with normaliser 'none'"),
    _column("effect", FLOAT, "", "paired t over the square root of n, object minus texture; NaN with n < 3"),
    *_test_columns("object minus texture over experiments"),
    *_site_columns(),
)

CLUSTERS = _table(
    "clusters",
    _AREA,
    _SELECTION,
    _START,
    _STOP,
    _column("mass", FLOAT, "", "sum of t over the cluster's bins, object minus texture"),
    _column("p", FLOAT, "", "share of sign flips of sites with a cluster of that mass"),
    _column("larger", TEXT, "", "the larger space in the cluster"),
    _column("n", INT, "", "experiments"),
    _column("n_sites", INT, "", "sites, over whose means it is tested"),
    _column("n_flips", INT, "", "sign flips, all of them when sites are few"),
)


# --- encoding (which space explains a unit, and when) ------------------------


def _model_columns() -> list[pa.Field]:
    return [
        _column("scheme", TEXT, "", "folds: 'image' grouped by image, 'block' whole blocks held out"),
        _column("projection", TEXT, "", "predictors: 'full', or 'top', 'bottom', 'random' directions"),
        _column(
            "n_features", INT, "", "directions of the projection; full: latent dimension, 0 across spaces"
        ),
    ]


_UNIT = [
    *_experiment_columns("session", "subject", "area"),
    _column("unit", INT, "", "unit number in the session"),
]
_INDEX = _column("index", FLOAT, "", "alignment index, -1 texture .. 1 object")

ENCODING = _table(
    "encoding",
    *_UNIT,
    *_experiment_columns("space", "kind"),
    *_model_columns(),
    _START,
    _STOP,
    _column("n", INT, "", "presentations"),
    _column("rate_hz", FLOAT, "spikes/s", "mean response"),
    _column("r2", FLOAT, "", "held-out R2 of single presentations; NaN without variance"),
    _column("r", FLOAT, "", "held-out Pearson correlation; NaN when a side does not vary"),
    _column(
        "linear_share", FLOAT, "", "share of variance within blocks that is linear in the latents (REML)"
    ),
    _column("linear_share_low", FLOAT, "", "lower end of its interval"),
    _column("linear_share_high", FLOAT, "", "upper end of it"),
    _column("ceiling", FLOAT, "", "noise ceiling of a single presentation, window and neighbours pooled"),
    _column("ceiling_low", FLOAT, "", "lower end of its interval"),
    _column("ceiling_high", FLOAT, "", "upper end of it"),
    _column("ceiling_source", TEXT, "", "'repeats' of images or alternate 'bins' of 1 ms"),
    _column("normalised_r2", FLOAT, "", "r2 over ceiling; NaN where the ceiling's interval reaches 0"),
    _column("alpha", FLOAT, "", "geometric mean over folds of the chosen alphas"),
    _column("alpha_at_end", FLOAT, "", "share of folds whose alpha is the first or last that was tried"),
    _column("null_r2", FLOAT, "", "mean r2 of permuted responses; NaN when not permuted"),
    _column("p", FLOAT, "", "permutation p of this window; NaN when not permuted"),
    _column("p_fwe", FLOAT, "", "the same against the maximum over the unit's windows"),
    _column("q", FLOAT, "", "Benjamini-Hochberg over the session's units of the smallest p_fwe"),
)

ENCODING_INDEX = _table(
    "encoding_index",
    *_UNIT,
    *_model_columns(),
    _START,
    _STOP,
    _column("texture", FLOAT, "", "linear share of the texture space"),
    _column("object", FLOAT, "", "linear share of the object space"),
    _INDEX,
    _column("low", FLOAT, "", "lower end of its interval"),
    _column("high", FLOAT, "", "upper end of it"),
    _column("equal", FLOAT, "", "mean index that equal shares would give with these latents"),
    _column("equal_low", FLOAT, "", "lower end of the interval of indices that equal shares would give"),
    _column("equal_high", FLOAT, "", "upper end of it"),
    _column(
        "floor", FLOAT, "", "smallest divisor of the index: what two shares of 0 differ by through chance"
    ),
    _column("texture_sd", FLOAT, "", "standard deviation of the texture estimate, were both shares equal"),
    _column("object_sd", FLOAT, "", "the same for the object space"),
    _column(
        "explained", FLAG, "", "either space explains the unit here, family-wise over windows and spaces"
    ),
    _column("tested", FLAG, "", "this model was permuted; where not, nothing is known of `explained`"),
)

ENCODING_CROSSOVER = _table(
    "encoding_crossover",
    *_UNIT,
    *_model_columns(),
    _column("crossover_ms", FLOAT, "ms", "from a lead of texture to a later one of object; NaN: none"),
    _column("reason", TEXT, "", "why there is no crossover; '' where there is one"),
    _column("low_ms", FLOAT, "ms", "lower end of the interval of the crossover"),
    _column("high_ms", FLOAT, "ms", "upper end of it"),
    _column("p_texture_lead", FLOAT, "", "family-wise p of the strongest lead of the texture space"),
    _column("p_object_lead", FLOAT, "", "the same for the object space"),
    _column("p_texture", FLOAT, "", "smallest family-wise p of the texture space; NaN when not permuted"),
    _column("p_object", FLOAT, "", "the same for the object space"),
    _column("q_texture", FLOAT, "", "Benjamini-Hochberg over the units of the table's sessions"),
    _column("q_object", FLOAT, "", "the same for the object space"),
)

ENCODING_ORDER = _table(
    "encoding_order",
    *_experiment_columns("session", "subject", "space", "kind"),
    _column("n", INT, "", "presentations"),
    _column("position_share", FLOAT, "", "latent variance that a linear trend over each block explains"),
    _column("position_p", FLOAT, "", "permutation p of it, presentations shuffled within blocks"),
    _column("neighbour_correlation", FLOAT, "", "correlation of latents shown one after the other"),
    _column("neighbour_p", FLOAT, "", "permutation p of it, two-sided"),
    _column("permute", TEXT, "", "how responses were permuted: encoding.permute"),
    _column("trend_removed", FLAG, "", "linear trends over blocks were taken out: encoding.remove_trend"),
)

ENCODING_SPECTRUM = _table(
    "encoding_spectrum",
    *_UNIT,
    *_experiment_columns("space", "kind"),
    _column("rank_first", INT, "", "first Hessian eigenvector of the bin, from 0, largest eigenvalue"),
    _column("rank_last", INT, "", "last eigenvector of the bin (in it)"),
    _START,
    _STOP,
    _column("explained", FLOAT, "", "held-out cov(response, its part of the prediction) / var(response)"),
    _column("share", FLOAT, "", "explained over its sum over bins; NaN when that is not positive"),
)

ENCODING_WEIGHTS = _table(
    "encoding_weights",
    *_UNIT,
    *_experiment_columns("space", "kind"),
    _START,
    _STOP,
    _column("latent", INT, "", "latent dimension from 0"),
    _column("weight", FLOAT, "spikes/s", "change of the response per unit of the latent"),
)

# The same over all units of an area, with q over these.
ENCODING_UNITS = _table("encoding_units", *ENCODING_CROSSOVER)

POPULATION_ENCODING = _table(
    "population_encoding",
    _AREA,
    *_model_columns(),
    _START,
    _STOP,
    _column("n", INT, "units", "units"),
    _column("n_sessions", INT, "sessions", "sessions that they come from"),
    _column(
        "n_explained", FLOAT, "units", "units that a space explains (q below encoding.fdr); NaN: not tested"
    ),
    _column("texture", FLOAT, "", "mean linear share of the texture space over all units"),
    _column("object", FLOAT, "", "mean linear share of the object space over all units"),
    _INDEX,
    _column("low", FLOAT, "", "lower end of the bootstrap interval over animals, sessions and units"),
    _column("high", FLOAT, "", "upper end of it"),
    _column("equal", FLOAT, "", "mean index that equal shares would give with these sessions' latents"),
    _column("equal_low", FLOAT, "", "lower end of the interval of indices that equal shares would give"),
    _column("equal_high", FLOAT, "", "upper end of it"),
    _column("r2_texture", FLOAT, "", "mean held-out R2 of the texture space; depends on n and dimension"),
    _column("r2_object", FLOAT, "", "the same for the object space"),
    _column("significant_texture", FLOAT, "", "share of units with family-wise p at most the level"),
    _column("significant_object", FLOAT, "", "the same for the object space"),
)

POPULATION_ENCODING_CROSSOVER = _table(
    "population_encoding_crossover",
    _AREA,
    *_model_columns(),
    _column("n", INT, "units", "units"),
    _column("n_sessions", INT, "sessions", "sessions that they come from"),
    _column("crossover_ms", FLOAT, "ms", "crossover of the area; NaN when none"),
    _column("reason", TEXT, "", "why there is no crossover; '' where there is one"),
    _column("low_ms", FLOAT, "ms", "lower end of its interval; NaN with too few sessions"),
    _column("high_ms", FLOAT, "ms", "upper end of it"),
    _column("unit_median_ms", FLOAT, "ms", "median crossover of single units that have one"),
    _column("n_units", INT, "units", "units that have one"),
)

POPULATION_ENCODING_SPECTRUM = _table(
    "population_encoding_spectrum",
    _AREA,
    *_experiment_columns("space", "kind"),
    _column("rank_first", INT, "", "first Hessian eigenvector of the bin, from 0, largest eigenvalue"),
    _column("rank_last", INT, "", "last eigenvector of the bin (in it)"),
    _START,
    _STOP,
    _column("n", INT, "units", "explained units"),
    _column("explained", FLOAT, "", "mean over explained units"),
    _column("share", FLOAT, "", "its share of the sum over bins; NaN when that is not positive"),
)

# --- prototypes (images that stand for a thread, and distances between them) ---

_PROTOTYPE = _column(
    "prototype", TEXT, "", "'best' image of the best block, 'average' of it, or 're-evolved'"
)

PROTOTYPES = _table(
    "prototypes",
    *_THREAD,
    _PROTOTYPE,
    _column("block", INT, "", "best block"),
    _column("image", TEXT, "", "name of the image; '' of one that was not shown"),
    _column("source", TEXT, "", "'file': of the session's NWB; 'rendered' from a latent; 'mean of images'"),
    _column("n", INT, "", "images that it comes from"),
)

IMAGE_DISTANCES = _table(
    "image_distances",
    *_experiment_columns("session", "subject", "area"),
    _column("valid", FLAG, "", "the experiment counts in the pooled tables"),
    _column("both_succeed", FLAG, "", "both threads succeed at analysis.both_succeed_p"),
    _PROTOTYPE,
    _column(
        *("measure", TEXT, ""),
        "'pixel', 'correlation', 'spectrum', 'lpips', 'lpips_squeeze' or a network's cosine",
    ),
    _column(
        *("mask", TEXT, ""),
        "'none'; 'centre': places weighted by a centred Gaussian; 'rings': by 1, 1/2, 1/4, 0 outwards",
    ),
    _column("distance", FLOAT, "", "between the prototypes of the two threads; NaN of a blank image"),
    _column(
        "shuffled", FLOAT, "", "mean distance to partners of other valid experiments of the area; NaN: none"
    ),
    _column("psth_distance", FLOAT, "", "mean |difference| of the best blocks' PSTHs over the normaliser"),
    _column("activation_distance", FLOAT, "", "|difference| of their evoked means over the normaliser"),
)

DISTANCE_CORRELATIONS = _table(
    "distance_correlations",
    _column("area", TEXT, "", "visual area, or 'all'"),
    _SELECTION,
    _PROTOTYPE,
    _column("measure", TEXT, "", "as in image_distances"),
    _column("mask", TEXT, "", "as in image_distances"),
    _column("response", TEXT, "", "'psth' or 'activation' distance"),
    _column("n", INT, "", "experiments"),
    _column("pearson_r", FLOAT, "", "of image and response distance over experiments; NaN with n < 3"),
    _column("pearson_low", FLOAT, "", "lower end of its interval (Fisher z); NaN with n < 4"),
    _column("pearson_high", FLOAT, "", "upper end of it"),
    _column("pearson_p", FLOAT, "", "two-sided p value"),
    _column("spearman_r", FLOAT, "", "rank correlation"),
    _column("spearman_p", FLOAT, "", "two-sided p value"),
    _column("q", FLOAT, "", "Benjamini-Hochberg of pearson_p over the measures and masks"),
)

IMAGE_PAIRINGS = _table(
    "image_pairings",
    _column("area", TEXT, "", "visual area, or 'all'"),
    _SELECTION,
    _PROTOTYPE,
    _column("measure", TEXT, "", "as in image_distances"),
    _column("mask", TEXT, "", "as in image_distances"),
    _column("n", INT, "", "experiments"),
    _column("units", INT, "", "units that they are of, in areas with two or more"),
    _column("paired", FLOAT, "", "mean distance of the two prototypes of a unit"),
    _column("shuffled", FLOAT, "", "mean distance of prototypes of different units of an area"),
    _column("low", FLOAT, "", "lower end of the range of 95 % of the permuted means"),
    _column("high", FLOAT, "", "upper end of it"),
    _column("z", FLOAT, "", "paired minus the permuted means' mean, over their standard deviation"),
    _column("p", FLOAT, "", "two-sided, of permutations of the pairing within areas; NaN: none"),
    _column("n_permutations", INT, "", "permutations; all of them where these are few"),
    _column("q", FLOAT, "", "Benjamini-Hochberg of p over the measures and masks"),
)

# --- tuning (along eigen-axes of the image metric) ----------------------------

_AXIS = [
    *_UNIT,
    _column("subspace", TEXT, "", "'class' or 'noise'"),
    _column("axis", INT, "", "number of the eigenvector, by falling eigenvalue"),
]
_DISTANCE = _column("distance", FLOAT, "", "signed image distance from the centre")
_FOLLOWED = _column(
    "success",
    TEXT,
    "",
    "the object thread of the evolution before, last block against first: 'succeeds' or 'fails'; 'unknown' "
    "without one",
)
_SUCCESS_GROUP = _column(
    "success", TEXT, "", "sessions: 'all', or by the evolution before: 'succeeds', 'fails'"
)
_SUBSPACES = _column("subspace", TEXT, "", "'class', 'noise' or 'both'")
_AREAS = _column("area", TEXT, "", "visual area, or 'all'")

TUNING_POINTS = _table(
    "tuning_points",
    *_AXIS,
    _DISTANCE,
    _column("presentation", INT, "", "row of the presentation; those of the origin stand in each axis"),
    _column("rate_hz", FLOAT, "spikes/s", "evoked rate of the presentation"),
)

TUNING_CURVES = _table(
    "tuning_curves",
    *_AXIS,
    _DISTANCE,
    _column("n", INT, "", "presentations"),
    _column("mean_hz", FLOAT, "spikes/s", "mean evoked rate"),
    _column("sem_hz", FLOAT, "spikes/s", "standard error over presentations; NaN with one"),
)

TUNING_FITS = _table(
    "tuning_fits",
    *_AXIS,
    _DISTANCE,
    _column("process_hz", FLOAT, "spikes/s", "predicted mean of the Gaussian process"),
    _column(
        "process_sd_hz", FLOAT, "spikes/s", "its standard deviation of a presentation, white noise included"
    ),
    _column("gaussian_hz", FLOAT, "spikes/s", "fitted Gaussian with baseline; NaN without one"),
    _column("line_hz", FLOAT, "spikes/s", "fitted straight line"),
)

TUNING_AXES = _table(
    "tuning_axes",
    *_AXIS,
    _column("n", INT, "", "presentations"),
    _column("n_distances", INT, "", "distances"),
    _column("common", FLAG, "", "sampled at both ends that all common axes reach"),
    _column("f", FLOAT, "", "F of the one-way ANOVA over distances"),
    _column("p", FLOAT, "", "its p value"),
    _column("q", FLOAT, "", "Benjamini-Hochberg over the axes of the session"),
    _column("tuned", FLAG, "", "p is below tuning.anova_p"),
    _column("amplitude_hz", FLOAT, "spikes/s", "of the Gaussian; all of it NaN when no mean rate is above 0"),
    _column("mean", FLOAT, "", "distance of the Gaussian's peak"),
    _column("width", FLOAT, "", "standard deviation of the Gaussian, in units of distance"),
    _column("baseline_hz", FLOAT, "spikes/s", "of the Gaussian"),
    _column("gaussian_r2", FLOAT, "", "1 - var(residual) / var(rate) of single presentations"),
    _column("slope_hz", FLOAT, "spikes/s", "of the straight line, per unit of distance"),
    _column("intercept_hz", FLOAT, "spikes/s", "of the straight line"),
    _column("line_r2", FLOAT, "", "1 - var(residual) / var(rate) of single presentations"),
    _column(
        "length",
        FLOAT,
        "",
        "length scale of the Gaussian process, in units of distance; NaN when rates do not vary",
    ),
    _column("noise_hz", FLOAT, "spikes/s", "standard deviation of its white noise"),
    _column("process_r2", FLOAT, "", "1 - var(residual) / var(rate) of single presentations"),
    _column("monotonic", FLAG, "", "the process never falls, or never rises"),
    _column("unimodal", FLAG, "", "it rises up to its maximum and falls after"),
    _column("bell", FLAG, "", "unimodal, with a maximum that is not at an end"),
    _column("shape", TEXT, "", "'monotonic', else 'bell', else 'unimodal', else 'other'"),
    _column("peak", FLOAT, "", "sampled distance with the largest mean rate; the first of equals"),
    _column("peak_bin", FLOAT, "", "centre of the bin that holds it"),
)

TUNING_SESSIONS = _table(
    "tuning_sessions",
    *_UNIT,
    _column("evolution", TEXT, "", "session of the evolution before; '' when unknown"),
    _FOLLOWED,
    _column(
        "evolution_t", FLOAT, "", "two-sample t of its object thread, last block against first; NaN without"
    ),
    _column("evolution_p", FLOAT, "", "two-sided p of it"),
    _column("n_presentations", INT, "", "presentations, each once"),
    _column("n_axes", INT, "", "axes"),
    _column("n_common", INT, "", "common axes"),
    _column("n_tuned", INT, "", "tuned ones of these"),
)

TUNING_HEATMAP = _table(
    "tuning_heatmap",
    _SUCCESS_GROUP,
    _column("subspace", TEXT, "", "'class' or 'noise'"),
    _column("axis", INT, "", "number of the eigenvector, by falling eigenvalue"),
    _DISTANCE,
    _column("n", INT, "", "sessions"),
    _column("mean", FLOAT, "", "mean over sessions of the curve over the session's largest mean rate"),
    _column("sem", FLOAT, "", "standard error over sessions; NaN with one"),
)

TUNING_FRACTIONS = _table(
    "tuning_fractions",
    _AREAS,
    _SUBSPACES,
    _SUCCESS_GROUP,
    _column(
        "measure", TEXT, "", "'tuned' of common axes; of tuned ones 'monotonic', 'unimodal', 'bell', 'centre'"
    ),
    _column("k", INT, "", "axes"),
    _column("n", INT, "", "of so many"),
    _column("fraction", FLOAT, "", "k / n; NaN when n is 0"),
    _column("low", FLOAT, "", "lower end of the Wilson interval"),
    _column("high", FLOAT, "", "upper end of it"),
)

TUNING_TESTS = _table(
    "tuning_tests",
    _AREAS,
    _SUBSPACES,
    _column("measure", TEXT, "", "as in tuning_fractions"),
    _column("k_succeeds", INT, "", "axes after evolutions that succeed"),
    _column("n_succeeds", INT, "", "of so many"),
    _column("k_fails", INT, "", "axes after evolutions that fail"),
    _column("n_fails", INT, "", "of so many"),
    _column(
        "alternative", TEXT, "", "tested of the fraction after success: 'larger', 'smaller' or 'two-sided'"
    ),
    _column("z", FLOAT, "", "two-proportion z over axes; NaN when a group is empty"),
    _column("p", FLOAT, "", "its p, in the direction of `alternative`; takes axes for independent"),
    _column("q", FLOAT, "", "Benjamini-Hochberg over the measures of the area and subspace"),
    _column("sessions_succeed", INT, "", "evolutions that succeed, with axes counted here after them"),
    _column("sessions_fail", INT, "", "evolutions that fail, the same"),
    _column(
        "session_t", FLOAT, "", "difference of the fractions over its standard error, from sessions' scatter"
    ),
    _column(
        "session_p", FLOAT, "", "its p by permuting success over sessions, in the direction of `alternative`"
    ),
    _column("session_q", FLOAT, "", "Benjamini-Hochberg of it, as q"),
)

TUNING_PEAKS = _table(
    "tuning_peaks",
    _AREAS,
    _SUBSPACES,
    _SUCCESS_GROUP,
    _column("peak_bin", FLOAT, "", "centre of the bin of peak locations"),
    _column("k", INT, "", "tuned common axes with their peak in it"),
    _column("n", INT, "", "tuned common axes"),
    _column("fraction", FLOAT, "", "k / n; NaN when n is 0"),
    _column("low", FLOAT, "", "lower end of the Wilson interval"),
    _column("high", FLOAT, "", "upper end of it"),
)

# --- in silico (units of an image network) -------------------------------------

_NETWORK = _column("network", TEXT, "", "'trained', 'random' weights, or 'null': random and shuffled")
_LAYER = _column("layer", TEXT, "", "layer of the network; where a table has areas, the area")
_SPACE_NAME = _column("space", TEXT, "", "name of the image space")
_STATISTIC = _column("statistic", TEXT, "", "'contrast', 'slope', 'saturation' or 'centre'")
_PART = _column("projection", TEXT, "", "part of the latent: 'full', a block, 'top' or 'bottom' directions")
_N_FEATURES = _column("n_features", INT, "", "numbers that predict")

INSILICO_LINEARITY = _table(
    "insilico_linearity",
    _NETWORK,
    _LAYER,
    _SPACE_NAME,
    _PART,
    _N_FEATURES,
    _column("channel", INT, "", "of the unit, from 0"),
    _column("r2", FLOAT, "", "of the unit's activation by held-out images, ridge from the latents"),
)

INSILICO_LAYERS = _table(
    "insilico_layers",
    _NETWORK,
    _LAYER,
    _SPACE_NAME,
    _PART,
    _N_FEATURES,
    _column("n", INT, "", "units"),
    _column("r2", FLOAT, "", "mean over units"),
    _column("low", FLOAT, "", "lower end of its bootstrap interval over units"),
    _column("high", FLOAT, "", "upper end of it"),
)

INSILICO_IMAGES = _table(
    "insilico_images",
    _NETWORK,
    _LAYER,
    _column("session", TEXT, "", "name of the session"),
    _column("thread", INT, "", "thread of the evolution"),
    _SPACE_NAME,
    _column("when", TEXT, "", "'first' or 'last' block"),
    _STATISTIC,
    _column("value", FLOAT, "", "mean over the block's generated images"),
)

INSILICO_IMAGE_CHANGES = _table(
    "insilico_image_changes",
    _NETWORK,
    _LAYER,
    _SPACE_NAME,
    _STATISTIC,
    _column("n", INT, "", "sessions"),
    _column("first", FLOAT, "", "mean over sessions, first block"),
    _column("last", FLOAT, "", "last block"),
    _column("change", FLOAT, "", "last minus first"),
    _column("low", FLOAT, "", "lower end of its 95 % interval (Student's t)"),
    _column("high", FLOAT, "", "upper end of it"),
    _column("p", FLOAT, "", "two-sided paired t-test over sessions"),
    _column("q", FLOAT, "", "Benjamini-Hochberg of p over the network's layers, spaces and statistics"),
)

# --- simulate (the truth beside a simulated session; only tests read it) -----

TRUE_UNITS = _table(
    "true_units",
    _column("unit", INT, "", "unit number from 0, unique in the session"),
    _column("channel", INT, "", "the vendor's channel number"),
    _column("online_unit", INT, "", "letter it has online: 0 unsorted, 1 = a, 2 = b, .."),
    _column("preferred", FLAG, "", "the unit that drove the evolution"),
    _column("amplitude_uv", FLOAT, "µV", "trough of its waveform"),
    _column("burst_share", FLOAT, "", "share of spikes that start a burst"),
    _column("base_hz", FLOAT, "spikes/s", "rate without drive"),
    _column("gain_hz", FLOAT, "spikes/s", "rate that full drive adds at a kernel's peak"),
    _column("w_texture", FLOAT, "", "weight of the texture component"),
    _column("w_object", FLOAT, "", "weight of the object component"),
    _column("latency_ms", FLOAT, "ms", "start of the texture component"),
    _column("object_latency_ms", FLOAT, "ms", "start of the object component"),
    _column("n_spikes", INT, "spikes", "in the whole recording"),
)

TRUE_PRESENTATIONS = _table(
    "true_presentations",
    _column("presentation", INT, "", "row number from 0, in the order of the log"),
    _column("image", TEXT, "", "image name without suffix"),
    _column("onset_s", FLOAT, "s", "true onset on the recording's clock"),
    _column("offset_s", FLOAT, "s", "true offset on the recording's clock"),
    _column("texture_match", FLOAT, "", "T of the preferred unit, 0..1"),
    _column("object_match", FLOAT, "", "O of the preferred unit, 0..1"),
)


def contract_of(name: str) -> pa.Schema:
    """Return the contract with a lower-case name, as 'spikes'."""
    found: pa.Schema = globals()[name.upper()]
    return found


def conform(frame: pd.DataFrame, contract: pa.Schema) -> pd.DataFrame:
    """Return `frame` with exactly the columns and dtypes of `contract`.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows to hold against the contract. Extra columns are refused.
    contract : pyarrow.Schema
        One of this module's tables.

    Raises
    ------
    InputError
        A column is missing or too many, or values do not fit the dtype.
    """
    return _to_arrow(frame, contract).to_pandas()


def _to_arrow(frame: pd.DataFrame, contract: pa.Schema) -> pa.Table:
    name = contract.metadata[b"table"].decode()
    missing = [c for c in contract.names if c not in frame.columns]
    extra = [c for c in frame.columns if c not in contract.names]
    if missing or extra:
        raise InputError(
            f"table '{name}' breaks its contract: missing columns {missing}, unknown columns {extra}"
        )
    ordered = frame[contract.names].reset_index(drop=True)
    try:
        # from_pandas=False keeps NaN as NaN: null would mean a third thing.
        columns = [pa.array(ordered[f.name], type=f.type, from_pandas=False) for f in contract]
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError) as error:
        raise InputError(f"table '{name}' breaks its contract: {error}") from error
    return pa.Table.from_arrays(columns, schema=contract)


def empty(contract: pa.Schema) -> pd.DataFrame:
    """Return the table of `contract` without rows."""
    return contract.empty_table().to_pandas()


def write(
    frame: pd.DataFrame,
    contract: pa.Schema,
    path: str | PathLike[str],
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write `frame` as a Parquet file that appears whole or not at all.

    Parameters
    ----------
    frame, contract
        As for `conform`.
    path : path
        Where to write.
    provenance : mapping of str to str, optional
        Version, commit, config hash, input checksums: kept in the file's
        metadata under ``provenance.*``.
    """
    table = _to_arrow(frame, contract)
    extra = {f"provenance.{k}": v for k, v in sorted((provenance or {}).items())}
    table = table.replace_schema_metadata({**contract.metadata, **extra})
    with atomic_write(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read(path: str | PathLike[str], contract: pa.Schema) -> pd.DataFrame:
    """Read a table written by `write`, held against its contract.

    Raises
    ------
    InputError
        The file is missing, no Parquet, or of another contract.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("file does not exist", path)
    try:
        frame = pq.read_table(path).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"not a readable Parquet file: {error}", path) from error
    try:
        return conform(frame, contract)
    except InputError as error:
        raise InputError(error.what, path, "remove the file and run again") from error


def write_all(
    frames: Mapping[str, pd.DataFrame],
    folder: str | PathLike[str],
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write tables by the lower-case names of their contracts: a folder that appears whole."""
    with atomic_write(folder) as partial:
        partial.mkdir()
        for name, frame in frames.items():
            write(frame, contract_of(name), partial / f"{name}.parquet", provenance)


def read_all(folder: str | PathLike[str]) -> dict[str, pd.DataFrame]:
    """Read a folder of `write_all`, in the order of the names."""
    files = sorted(Path(folder).glob("*.parquet"))
    if not files:
        raise InputError("no tables in this folder", folder, "remove it and run again")
    return {file.stem: read(file, contract_of(file.stem)) for file in files}
