"""Columns that tables of the analysis share."""

from __future__ import annotations

import pyarrow as pa

from evoalign.tables import FLOAT, INT, TEXT, column


def experiment_columns(*more: str) -> list[pa.Field]:
    """Return those of the columns that say of which experiment and thread a row is."""
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
    return [column(name, meanings[name][0], "", meanings[name][1]) for name in more]


THREAD = experiment_columns("session", "subject", "area", "site", "thread", "space", "kind")

START = column("start_ms", INT, "ms", "start of the window, from image onset")

STOP = column("stop_ms", INT, "ms", "end of the window (not in it)")

BLOCK = column("block", INT, "", "block number as in the stimulus log")

BLOCK_INDEX = column("block_index", INT, "", "block counted from 0")

AREA = column("area", TEXT, "", "visual area; '' when unknown")

SELECTION = column(
    "selection", TEXT, "", "'valid' experiments, of them those where 'any' thread or 'both' threads succeed"
)


def t_test_columns(across: str) -> list[pa.Field]:
    """Return the columns of a t-test; `across` says over what."""
    return [
        column("t", FLOAT, "", f"t statistic, {across}; NaN with too few"),
        column("df", FLOAT, "", "its degrees of freedom"),
        column("p", FLOAT, "", "two-sided p value"),
    ]


def site_columns(*, paired: bool = True, family: bool = False) -> list[pa.Field]:
    """Return the columns of a test over sites: one of pairs, or of two samples; in a family, q too."""
    names = ("n_sites",) if paired else ("texture_n_sites", "object_n_sites")
    return [
        *(column(name, INT, "", "recording sites that have a value") for name in names),
        column("t_site", FLOAT, "", "the same test over site means; NaN with too few sites"),
        column("df_site", FLOAT, "", "its degrees of freedom"),
        column("p_site", FLOAT, "", "its two-sided p value"),
        *([column("q_site", FLOAT, "", "p_site adjusted as q is")] if family else []),
    ]


def space_columns(unit: str, paired: bool) -> list[pa.Field]:
    """Return mean, standard error and interval of each space; N as well where they are not paired."""
    columns = []
    for kind in ("texture", "object"):
        if not paired:
            columns.append(column(f"{kind}_n", INT, "", "experiments"))
        columns += [
            column(f"{kind}_mean", FLOAT, unit, "mean over experiments"),
            column(f"{kind}_sem", FLOAT, unit, "standard error over experiments"),
            column(f"{kind}_low", FLOAT, unit, "lower end of the bootstrap interval"),
            column(f"{kind}_high", FLOAT, unit, "upper end of the bootstrap interval"),
        ]
    return columns


FAMILY = column("q", FLOAT, "", "Benjamini-Hochberg adjusted p within the panel")

LARGER = column("larger", TEXT, "", "the larger space where q is below the level; '' elsewhere")


def model_columns() -> list[pa.Field]:
    """Return the columns that say which model a row of the encoding is of."""
    return [
        column("scheme", TEXT, "", "folds: 'image' grouped by image, 'block' whole blocks held out"),
        column("projection", TEXT, "", "predictors: 'full', or 'top', 'bottom', 'random' directions"),
        column(
            "n_features", INT, "", "directions of the projection; full: latent dimension, 0 across spaces"
        ),
    ]


UNIT = [
    *experiment_columns("session", "subject", "area"),
    column("unit", INT, "", "unit number in the session"),
]

INDEX = column("index", FLOAT, "", "alignment index, -1 texture .. 1 object")
