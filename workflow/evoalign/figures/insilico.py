"""In silico: success, linearity of latents and image statistics by layer of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.analysis.experiment import space_kind
from evoalign.figures.captions import FigureSettings, percent, quantiles, success_words
from evoalign.figures.panels import SPACES, Source, Tables, words
from evoalign.figures.sets import POPULATION_FIGURES, Drawn
from evoalign.figures.style import (
    PAGE,
    REFERENCE_COLOUR,
    letter,
    new_figure,
    say_empty,
    space_colour,
    space_label,
)

NETWORKS = ("trained", "random", "null")
NETWORK_LABELS = {"trained": "ImageNet", "random": "Random weights", "null": "Null: random, shuffled"}
MARKERS = {"trained": "o", "random": "s", "null": "x"}
PART_COLOURS = {"full": "#000000", "top": "#009E73", "bottom": "#CC79A7"}
PART_LABELS = {"full": "all latents", "top": "steepest half", "bottom": "flattest half"}
STATISTICS = {
    "contrast": "RMS contrast",
    "slope": "Spectral slope",
    "saturation": "Saturation",
    "centre": "Variance in the centre",
}
OPTIMISER_STYLES = {"CMA-ES": ("#0072B2", "o"), "Adam": ("#D55E00", "s"), "random": (REFERENCE_COLOUR, "x")}
# Figures of recorded sessions that are drawn of each network's.
OF_NETWORK = ("success_activation", "population_trajectories", "time_constants")


def draw_insilico(
    networks: Mapping[str, Tables], warped: pd.DataFrame, settings: FigureSettings
) -> Iterator[Drawn]:
    """Draw what networks differ in, then each one's figures as those of recorded sessions.

    Parameters
    ----------
    networks : mapping of str to mapping of str to pandas.DataFrame
        Network -> its tables: of `pool_sessions`, and `insilico_layers` and `insilico_image_changes`.
    warped : pandas.DataFrame
        `insilico_warped_means`.
    settings : FigureSettings
        Settings that the tables were made with.
    """
    in_order = {name: networks[name] for name in NETWORKS if name in networks}
    figure, source = draw_success(in_order)
    yield Drawn("layers_success", figure, source, caption_success(in_order, settings))
    figure, source = draw_linearity(in_order, settings)
    yield Drawn("layers_linearity", figure, source, caption_linearity(in_order, settings))
    figure, source = draw_images(in_order, settings)
    yield Drawn("layers_images", figure, source, caption_images(in_order, settings))
    figure, source = draw_warped(warped)
    yield Drawn("warped_landscapes", figure, source, caption_warped(warped))
    for name, tables in in_order.items():
        for of_network in OF_NETWORK:
            draw, caption = POPULATION_FIGURES[of_network]
            figure, source = draw(tables, settings)
            text = (
                f"Units of a network in place of neurons, layers in place of areas; {NETWORK_LABELS[name]}."
            )
            yield Drawn(f"{name}_{of_network}", figure, source, f"{text} {caption(tables, settings)}")


def draw_success(networks: Mapping[str, Tables]) -> tuple[Figure, Source]:
    """Draw success rates by layer, of each space, network beside network; panels 'a' texture, 'b' object."""
    figure = new_figure(PAGE, 2.3)
    axes = figure.subplots(1, 2, sharey=True)
    parts = [_with_network(tables["success_rates"], name) for name, tables in networks.items()]
    frame = pd.concat(parts, ignore_index=True)
    threshold = frame["threshold"].min()
    source = {}
    for panel, space, mark in zip(axes, SPACES, "ab", strict=True):
        rows = frame[
            (frame["threads"] == space) & (frame["threshold"] == threshold) & (frame["area"] != "all")
        ]
        source[mark] = rows
        layers = sorted(rows["area"].astype(str).unique())
        for at, name in enumerate(networks):
            of_network = rows[rows["network"] == name].set_index("area").reindex(layers)
            x = np.arange(len(layers)) + 0.12 * (at - 1)
            _points(panel, x, of_network, "rate", space_colour(space), name)
        _layers(panel, layers, f"{space_label(space)} space")
        letter(panel, mark)
    axes[0].set_ylabel("Success rate")
    axes[0].set_ylim(-0.05, 1.25)
    axes[0].legend(loc="upper left", ncols=3, handlelength=1)
    return figure, source


def draw_linearity(networks: Mapping[str, Tables], settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw held-out R2 of latents by layer; panels 'a' texture, 'b' object."""
    figure = new_figure(PAGE, 2.5)
    axes = figure.subplots(1, 2, sharey=True)
    frame = _of_networks(networks, "insilico_layers", settings)
    source = {}
    for panel, space, mark in zip(axes, SPACES, "ab", strict=True):
        rows = frame[frame["kind"] == space]
        source[mark] = rows
        layers = sorted(rows["layer"].astype(str).unique())
        if not layers:
            say_empty(panel, "no images of this space")
            continue
        for name in networks:
            for at, (part, colour) in enumerate(PART_COLOURS.items()):
                of_network = rows[(rows["network"] == name) & (rows["projection"] == part)]
                of_network = of_network.set_index("layer").reindex(layers)
                x = np.arange(len(layers)) + 0.22 * (NETWORKS.index(name) - 1) + 0.06 * (at - 1)
                label = f"{NETWORK_LABELS[name]}, {PART_LABELS[part]}"
                _points(panel, x, of_network, "r2", colour, name, label)
        panel.axhline(0, color=REFERENCE_COLOUR, linewidth=0.5, zorder=0)
        _layers(panel, layers, f"{space_label(space)} space")
        letter(panel, mark)
    axes[0].set_ylabel("Held-out R² of latents")
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=1)
    return figure, source


def draw_images(networks: Mapping[str, Tables], settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw the change of image statistics from first to last block by layer; panels 'a' to 'd'."""
    figure = new_figure(PAGE, 3.6)
    axes = figure.subplots(2, 2, sharex=True).ravel()
    frame = _of_networks(networks, "insilico_image_changes", settings)
    source = {}
    for panel, (statistic, title), mark in zip(axes, STATISTICS.items(), "abcd", strict=True):
        rows = frame[frame["statistic"] == statistic]
        source[mark] = rows
        layers = sorted(rows["layer"].astype(str).unique())
        for name in networks:
            for at, space in enumerate(SPACES):
                of_network = (
                    rows[(rows["network"] == name) & (rows["kind"] == space)]
                    .set_index("layer")
                    .reindex(layers)
                )
                x = np.arange(len(layers)) + 0.22 * (NETWORKS.index(name) - 1) + 0.08 * (at - 0.5)
                label = f"{NETWORK_LABELS[name]}, {space_label(space).lower()}"
                _points(panel, x, of_network, "change", space_colour(space), name, label)
        panel.axhline(0, color=REFERENCE_COLOUR, linewidth=0.5, zorder=0)
        _layers(panel, layers, title)
        letter(panel, mark)
    figure.supylabel("Last minus first block", fontsize=7)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=1)
    return figure, source


def draw_warped(warped: pd.DataFrame) -> tuple[Figure, Source]:
    """Draw the best score of each search by depth of the warp; panels 'a', 'b', .. of each dimension."""
    dimensions = sorted(warped["dimension"].unique().tolist())
    figure = new_figure(PAGE, 2.4)
    axes = figure.subplots(1, len(dimensions), sharey=True, squeeze=False)[0]
    source = {}
    for panel, dimension, mark in zip(axes, dimensions, ascii_lowercase, strict=False):
        rows = warped[warped["dimension"] == dimension]
        source[mark] = rows
        for optimiser, (colour, marker) in OPTIMISER_STYLES.items():
            of_search = rows[rows["optimiser"] == optimiser].sort_values("depth")
            score = of_search["score"].to_numpy()
            error = [score - of_search["low"], of_search["high"] - score]
            panel.errorbar(
                of_search["depth"], score, error, color=colour, marker=marker, markersize=3.5, elinewidth=0.7,
                linewidth=0.8, label=optimiser,
            )  # fmt: skip
        panel.set_xticks(sorted(rows["depth"].unique().tolist()))
        panel.set_xlabel("Coupling layers of the warp")
        panel.set_title(f"{dimension} dimensions")
        letter(panel, mark)
    axes[0].set_ylim(0, 1.08)
    axes[0].set_ylabel("Best score")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure, source


def caption_warped(warped: pd.DataFrame) -> str:
    """State N, tests and corrections."""
    n = int(warped["n"].min())
    return words(
        f"""
        Best score that a search finds on a hill whose coordinates a random RealNVP flow warps, by the
        flow's depth, in each dimension; the maximum is 1. Mean over {n} landscapes, the same for all
        searches, with its 95 % interval (Student's t). All may try as many latents. CMA-ES sees scores
        alone, as an evolution does; Adam knows the gradient; random draws founders. No test.
        """
    )


def _of_networks(networks: Mapping[str, Tables], table: str, settings: FigureSettings) -> pd.DataFrame:
    """A table of all networks, with the ``kind`` of each row's space."""
    frame = pd.concat([tables[table] for tables in networks.values()], ignore_index=True)
    kinds = [space_kind(str(space), settings.analysis) for space in frame["space"]]
    return frame.assign(kind=kinds)


def _points(
    panel: Axes, x: np.ndarray, rows: pd.DataFrame, value: str, colour: str, network: str, label: str = ""
) -> None:
    middle, low, high = (rows[name].to_numpy(np.float64) for name in (value, "low", "high"))
    error = np.clip([middle - low, high - middle], 0, None)
    face = colour if network == "trained" else "none" if MARKERS[network] != "x" else colour
    panel.errorbar(
        x, middle, error, fmt=MARKERS[network], color=colour, markerfacecolor=face, markersize=3.5,
        markeredgewidth=0.8, elinewidth=0.7, label=label or NETWORK_LABELS[network],
    )  # fmt: skip


def _layers(panel: Axes, layers: list[str], title: str) -> None:
    panel.set_xticks(range(len(layers)), layers)
    panel.set_xlim(-0.5, len(layers) - 0.5)
    panel.set_title(title)


def _with_network(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.assign(network=name)


def _counts(networks: Mapping[str, Tables]) -> str:
    return ", ".join(f"{NETWORK_LABELS[name]} n = {len(t['experiments'])}" for name, t in networks.items())


def caption_success(networks: Mapping[str, Tables], settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    return words(
        f"""
        Share of evolutions that succeed ({success_words(settings)}, best two blocks above the first
        two, two-sample t-test of single presentations) by layer of EfficientNet-Lite0, evolutions in
        all: {_counts(networks)}. a, texture space; b, object space. Units are central places of channels
        at random; the null's responses are shuffled over the images of each block. Bars:
        {quantiles(settings.analysis.success_interval)} of Beta(k+1, n-k+1). The best block is chosen, so
        that the null's rate is above the threshold (docs/methods.md, section 3). No correction.
        """
    )


def caption_linearity(networks: Mapping[str, Tables], settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame = pd.concat([tables["insilico_layers"] for tables in networks.values()])
    units = sorted(frame["n"].unique().tolist())
    n = f"{units[0]}" if len(units) == 1 else f"{units[0]} to {units[-1]}" if units else "0"
    return words(
        f"""
        Held-out R² of ridge regressions from latents of a space's founders to activations (nested
        cross-validation, as of recorded units but without noise), mean over {n} units of a layer, by
        network and part of the latent: all, and the steepest and flattest half of the directions by the
        image distance's Hessian (top and bottom). Bars: {percent(settings.analysis.interval)} bootstrap
        interval over units. The null's activations are shuffled over images. R² depends on the numbers
        of latents and images: compare layers, not spaces. No test.
        """
    )


def caption_images(networks: Mapping[str, Tables], settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame = pd.concat([tables["insilico_image_changes"] for tables in networks.values()])
    n_changed = frame[frame["q"] < settings.analysis.fdr].groupby("network").size()
    layers_text = ", ".join(
        f"{NETWORK_LABELS[name]} {int(n_changed.get(name, 0))} of {int((frame['network'] == name).sum())}"
        for name in networks
    )
    return words(
        f"""
        Change of image statistics from the first to the last block of an evolution, mean over a layer's
        evolutions ({_counts(networks)} in all), by space and network: a, standard deviation of luminance;
        b, slope of log amplitude on log spatial frequency; c, largest minus smallest colour; d, share of
        the variance of luminance in the central quarter of the area. Bars: 95 % interval (Student's t
        over evolutions). Paired t-tests with q < {settings.analysis.fdr:g} (Benjamini-Hochberg over a
        network's layers, spaces and statistics): {layers_text}.
        """
    )
