"""What settings contradict: found before the first job, not after hours of sorting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path

import pyarrow as pa
import yaml

from evoalign.errors import InputError
from evoalign.events.tables import PRESENTATIONS
from evoalign.settings import nearest
from evoalign.sorting.tables import UNITS
from evoalign.study import Config

# What YAML 1.1 takes for a number though it was meant as a name or a time: 1:30 is 90, 020 is 16.
_DISGUISED = re.compile(r"[-+]?(\d[\d_]*(:[0-5]?\d)+|0[0-9_]+|[\d]+_[\d_]*)")


def check_yaml(path: str | PathLike[str]) -> None:
    """Refuse keys that stand twice, and numbers that YAML reads as others.

    Parameters
    ----------
    path : path
        A file of settings. One that cannot be read as YAML is left to `load_config`.

    Raises
    ------
    InputError
        Naming the file and the line.
    """
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
    for node in _nodes(root):
        if isinstance(node, yaml.MappingNode):
            _check_keys(node, path)
        elif isinstance(node, yaml.ScalarNode) and _is_disguised(node):
            raise InputError(
                f"YAML reads {node.value} as the number {yaml.safe_load(node.value)}",
                f"{path}, line {node.start_mark.line + 1}",
                f"put it in quotes, '{node.value}', or write the number that is meant",
            )


def _is_disguised(node: yaml.ScalarNode) -> bool:
    return node.tag.endswith(":int") and not node.style and bool(_DISGUISED.fullmatch(node.value))


def _nodes(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if node is None:
        return
    yield node
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for part in pair:
                yield from _nodes(part)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _nodes(item)


def _check_keys(node: yaml.MappingNode, path: str | PathLike[str]) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.value in lines:
            raise InputError(
                f"'{key.value}' stands twice, and YAML would drop the first without a word",
                f"{path}, lines {lines[key.value]} and {line}",
                "join the two",
            )
        lines[str(key.value)] = line


def check_consistency(config: Config, where: str | PathLike[str]) -> None:
    """Refuse settings of which each is allowed and that together cannot be computed.

    Parameters
    ----------
    config : Config
        The whole configuration.
    where : str or path
        The file, for messages.

    Raises
    ------
    InputError
        A window is reversed, or reaches outside of what it is cut from; bins do
        not tile theirs; the edges of a band are reversed; p values are asked
        for what is not computed; a column is none of the contract's.
    """
    for problem, hint in (
        *_bands(config),
        *_windows(config),
        *_tiles(config),
        *_permuted(config),
        *_unknown_columns("nwb.columns", config.nwb.columns, PRESENTATIONS),
        *_unknown_columns("nwb.unit_columns", config.nwb.unit_columns, UNITS),
    ):
        raise InputError(problem, where, hint)


Problems = Iterator[tuple[str, str]]


def _bands(config: Config) -> Problems:
    sorting = config.sorting
    bands = {
        "sorting.highpass_hz, lowpass_hz": (sorting.highpass_hz, sorting.lowpass_hz),
        "sorting.noise_range_uv": sorting.noise_range_uv,
        "sorting.envelope_band_hz": sorting.envelope_band_hz,
        "events.onset_words": config.events.onset_words,
        "events.offset_words": config.events.offset_words,
        "figures.raster_ms": config.figures.raster_ms,
        "encoding.alpha_log10": config.encoding.alpha_log10,
    }
    may_be_equal = ("events", "encoding")
    for name, (lower, upper) in bands.items():
        if lower > upper or (lower == upper and not name.startswith(may_be_equal)):
            yield f"{name}: the lower edge {lower:g} is not below the upper {upper:g}", "exchange the two"


def _windows(config: Config) -> Problems:
    counted = (config.responses.start_ms, config.responses.stop_ms)
    analysed = config.analysis.window_ms
    for name, window, outer_name, outer in (
        ("analysis.window_ms", analysed, "responses.start_ms, stop_ms", counted),
        ("encoding.window_ms", config.encoding.window_ms, "responses.start_ms, stop_ms", counted),
        ("analysis.evoked_ms", config.analysis.evoked_ms, "analysis.window_ms", analysed),
        ("analysis.baseline_ms", config.analysis.baseline_ms, "analysis.window_ms", analysed),
    ):
        span = f"{name}: the window from {window[0]} to {window[1]} ms"
        if window[0] >= window[1]:
            yield f"{span} is empty or reversed", "write its first ms and then its end"
        if window[0] < outer[0] or window[1] > outer[1]:
            yield f"{span} reaches outside of {outer_name}, {outer[0]} to {outer[1]} ms", "widen one of them"


def _tiles(config: Config) -> Problems:
    analysed = ("analysis.window_ms", config.analysis.window_ms)
    for name, values, (tiled, (first, end)) in (
        ("analysis.bins_ms", config.analysis.bins_ms, analysed),
        ("analysis.figure_bin_ms", (config.analysis.figure_bin_ms,), analysed),
        (
            "figures.raster_bin_ms",
            (config.figures.raster_bin_ms,),
            ("figures.raster_ms", config.figures.raster_ms),
        ),
    ):
        for width in values:
            if width < 1 or (end - first) % width:
                tiling = ", ".join(str(n) for n in range(1, end - first + 1) if (end - first) % n == 0)
                yield (
                    f"{name}: bins of {width} ms do not tile the {end - first} ms of {tiled}",
                    f"these do: {tiling}",
                )


def _permuted(config: Config) -> Problems:
    encoding = config.encoding
    for name, asked, computed in (
        ("schemes", encoding.permuted_schemes, encoding.schemes),
        ("projections", encoding.permuted_projections, encoding.projections),
    ):
        for value in asked:
            if value not in computed:
                yield (
                    f"encoding.permuted_{name}: '{value}' is not among encoding.{name}",
                    f"computed: {', '.join(computed) or 'none'}",
                )


def _unknown_columns(name: str, columns: Mapping[str, str], contract: pa.Schema) -> Problems:
    for column in columns:
        if column not in contract.names:
            yield f"{name}: there is no column '{column}'", nearest(column, contract.names)
