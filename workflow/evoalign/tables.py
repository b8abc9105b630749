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
from evoalign.files import whole

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
    _column("onset_source", TEXT, "", "'photodiode', 'word' (plus display delay) or 'log' (clock fit)"),
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
    _column("kind", TEXT, "", "'sorted', 'multiunit' or 'online'"),
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
    _column("noise_uv", FLOAT, "µV", "1.4826 MAD of the filtered trace"),
)

# --- nwb --------------------------------------------------------------------

FINDINGS = _table(
    "findings",
    _column("tool", TEXT, "", "'nwbinspector', 'pynwb' or 'dandi'"),
    _column("importance", TEXT, "", "as the tool names it"),
    _column("check", TEXT, "", "name of the check"),
    _column("location", TEXT, "", "object and path in the file"),
    _column("message", TEXT, "", "what was found"),
)


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
    with whole(path) as partial:
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
