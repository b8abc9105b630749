"""Tables of one experiment (= session), and of prototypes."""

from __future__ import annotations

from evoalign.analysis.columns import (
    AREA,
    BLOCK,
    BLOCK_INDEX,
    FAMILY,
    SELECTION,
    START,
    STOP,
    THREAD,
    experiment_columns,
    t_test_columns,
)
from evoalign.tables import FLAG, FLOAT, INT, TEXT, by_name, column, table

EXPERIMENTS = table(
    "experiments",
    *experiment_columns("session", "subject", "area", "site"),
    column("unit", INT, "", "unit number in the session"),
    column("space_0", TEXT, "", "space of thread 0"),
    column("space_1", TEXT, "", "space of thread 1"),
    column("optimiser_0", TEXT, "", "optimiser of thread 0; '' when unknown"),
    column("optimiser_1", TEXT, "", "optimiser of thread 1; '' when unknown"),
    column("unit_kind", TEXT, "", "kind of the unit, as in table units; '' when unknown"),
    column("n_blocks", INT, "", "blocks that are analysed"),
    column("dropped_last", FLAG, "", "the last block was too short and is left out"),
    column("n_presentations", INT, "", "presentations that are analysed"),
    column("n_invalid", INT, "", "presentations left out because they may not be analysed"),
    column("n_unrecorded", INT, "", "others left out because the unit was not recorded"),
    column("normaliser_hz", FLOAT, "spikes/s", "max over blocks and threads of the evoked block mean"),
    column("valid", FLAG, "", "counts in the pooled tables"),
    column("reason", TEXT, "", "why not valid; '' when valid"),
    column("best_block_0", INT, "", "block index from 0 with the largest evoked mean, thread 0"),
    column("best_block_1", INT, "", "the same, thread 1"),
    column("best_image_0", TEXT, "", "image with the largest evoked mean in that block, thread 0"),
    column("best_image_1", TEXT, "", "the same, thread 1"),
    column("t_0", FLOAT, "", "t of maxinit, thread 0"),
    column("p_0", FLOAT, "", "p of maxinit, thread 0"),
    column("t_1", FLOAT, "", "t of maxinit, thread 1"),
    column("p_1", FLOAT, "", "p of maxinit, thread 1"),
    column("succeeds_0", FLAG, "", "thread 0 succeeds at analysis.success_p"),
    column("succeeds_1", FLAG, "", "thread 1 succeeds at analysis.success_p"),
    column("any_succeeds", FLAG, "", "either thread succeeds at analysis.both_succeed_p"),
    column("both_succeed", FLAG, "", "both threads succeed at analysis.both_succeed_p"),
)

SUCCESS = table(
    "success",
    *THREAD,
    column("statistic", TEXT, "", "endinit, maxinit, maxend, init_01, max_01 or end_01"),
    *t_test_columns("first minus second group of single presentations"),
    column("mean_1", FLOAT, "spikes/s", "mean of the first group"),
    column("mean_2", FLOAT, "spikes/s", "mean of the second group"),
    column("n_1", INT, "", "presentations in the first group"),
    column("n_2", INT, "", "presentations in the second group"),
    column(
        "p_selected",
        FLOAT,
        "",
        "maxinit, maxend: one-sided p that allows for the choice of the best block; else NaN",
    ),
    column(
        "log_ratio",
        FLOAT,
        "",
        "a thread's: change of log(generated over reference rate of the block), first minus second group; "
        "NaN across threads, with under 2 references in a block, or with a block without response",
    ),
    column("t_relative", FLOAT, "", "log_ratio over its standard error, the references' noise included"),
    column(
        "p_relative",
        FLOAT,
        "",
        "its one-sided p, which a drift of gain does not change and which allows for the choice of the block",
    ),
)

TRAJECTORIES = table(
    "trajectories",
    *THREAD,
    *experiment_columns("stimuli"),
    column("window", TEXT, "", "'evoked', 'baseline' or 'binned'"),
    START,
    STOP,
    BLOCK,
    BLOCK_INDEX,
    column("mean_hz", FLOAT, "spikes/s", "mean over presentations; NaN without any"),
    column("sem_hz", FLOAT, "spikes/s", "standard error over presentations"),
    column("n", INT, "", "presentations"),
    column("normalised", FLOAT, "", "mean over the experiment's normalization rate"),
    column("normalised_sem", FLOAT, "", "standard error over the experiment's normalization rate"),
)

PSTH = table(
    "psth",
    *THREAD,
    *experiment_columns("stimuli"),
    BLOCK,
    BLOCK_INDEX,
    column("time_ms", INT, "ms", "left edge of the 1 ms bin, from image onset"),
    column("mean_hz", FLOAT, "spikes/s", "mean over presentations"),
    column("sem_hz", FLOAT, "spikes/s", "standard error over presentations"),
    column("n", INT, "", "presentations"),
)

BLOCK_IMAGES = table(
    "block_images",
    *THREAD,
    BLOCK,
    BLOCK_INDEX,
    column("image", TEXT, "", "generated image with the largest mean evoked rate; '' without any"),
    column("mean_hz", FLOAT, "spikes/s", "its mean evoked rate; NaN without any"),
    column("n", INT, "", "its presentations"),
)

REFERENCE_IMAGES = table(
    "reference_images",
    *experiment_columns("session", "subject", "area", "site"),
    column("image", TEXT, "", "name of the natural image"),
    column("n", INT, "", "presentations, in both threads and all blocks"),
    column("mean_hz", FLOAT, "spikes/s", "mean evoked rate"),
    column("sem_hz", FLOAT, "spikes/s", "standard error over presentations; NaN with one"),
)

REFERENCE_PSTH = table(
    "reference_psth",
    *experiment_columns("session", "subject", "area", "site"),
    column("image", TEXT, "", "name of the natural image"),
    column("time_ms", INT, "ms", "left edge of the 1 ms bin, from image onset"),
    column("mean_hz", FLOAT, "spikes/s", "mean over presentations"),
    column("sem_hz", FLOAT, "spikes/s", "standard error over presentations; NaN with one"),
)

ATTRIBUTION = table(
    "attribution",
    *THREAD,
    START,
    STOP,
    column("difference_hz", FLOAT, "spikes/s", "best block minus first block"),
    column("share", FLOAT, "", "difference over its sum over bins; NaN when that is not positive"),
)

CENTRES = table(
    "centres",
    *THREAD,
    column("curve", TEXT, "", "'attribution', or the PSTH of the 'first', 'best' or 'last' block"),
    column("centre_ms", FLOAT, "ms", "centre of mass; NaN when the mass is not positive"),
)

TIME_CONSTANTS = table(
    "time_constants",
    *THREAD,
    column("level", TEXT, "", "what is subtracted: 'bslinit' first block, 'bsl' mean baseline, 'zero'"),
    column("theta", FLOAT, "", "share of the maximum"),
    column("first_above", FLOAT, "blocks", "first block index above theta x maximum; NaN when none"),
    column("below", FLOAT, "blocks", "blocks that are not above it; NaN when none is"),
)

CONTRAST = table(
    "contrast",
    *experiment_columns("session", "subject", "area", "site"),
    column("window", TEXT, "", "'evoked' or 'binned'"),
    START,
    STOP,
    column("texture_hz", FLOAT, "spikes/s", "mean over late presentations of the texture thread"),
    column("object_hz", FLOAT, "spikes/s", "mean over late presentations of the object thread"),
    column("difference", FLOAT, "", "object minus texture over the normalization rate"),
    column("sem", FLOAT, "", "standard error of the difference over presentations"),
    column("texture_n", INT, "", "late presentations of the texture thread"),
    column("object_n", INT, "", "late presentations of the object thread"),
    *t_test_columns("object minus texture, single presentations"),
    FAMILY,
)

CROSSOVER = table(
    "crossover",
    column("scope", TEXT, "", "'session' or 'area'"),
    column("session", TEXT, "", "session; '' for an area"),
    AREA,
    column(
        "selection",
        TEXT,
        "",
        "'valid' experiments, or those where 'any' thread or 'both' succeed; '' of a session",
    ),
    column("n", INT, "", "experiments of an area, late blocks of a session"),
    column("n_sites", INT, "", "sites of these experiments, over whose means it is tested; 1 of a session"),
    column(
        "crossover_ms",
        FLOAT,
        "ms",
        "when the lead passes from texture to object; NaN unless both lead significantly, in this order",
    ),
    column("low_ms", FLOAT, "ms", "first time at which the contrast is not told from 0; NaN with few n"),
    column("high_ms", FLOAT, "ms", "last such time between the two leads"),
    column("p_texture", FLOAT, "", "family-wise p of the strongest lead of texture; NaN when not tested"),
    column("p_object", FLOAT, "", "the same of object"),
    column("reason", TEXT, "", "why there is no crossover; '' when there is one"),
    column("interval_reason", TEXT, "", "why a crossover has no interval; '' otherwise"),
)

# Tables of an evolution: those that `session.results.SessionResults` makes from its dataset.
OF_EVOLUTION = by_name(
    *(EXPERIMENTS, SUCCESS, TRAJECTORIES, PSTH, BLOCK_IMAGES, REFERENCE_IMAGES, REFERENCE_PSTH),
    *(ATTRIBUTION, CENTRES, TIME_CONSTANTS, CONTRAST, CROSSOVER),
)

_PROTOTYPE = column("prototype", TEXT, "", "'best' image of the best block, 'average' of it, or 're-evolved'")

PROTOTYPES = table(
    "prototypes",
    *THREAD,
    _PROTOTYPE,
    column("block", INT, "", "best block"),
    column("image", TEXT, "", "name of the image; '' of one that was not shown"),
    column("source", TEXT, "", "'file': of the session's NWB; 'rendered' from a latent; 'mean of images'"),
    column("n", INT, "", "images that it comes from"),
)

IMAGE_DISTANCES = table(
    "image_distances",
    *experiment_columns("session", "subject", "area"),
    column("valid", FLAG, "", "the experiment counts in the pooled tables"),
    column("both_succeed", FLAG, "", "both threads succeed at analysis.both_succeed_p"),
    _PROTOTYPE,
    column(
        *("measure", TEXT, ""),
        "'pixel', 'correlation', 'spectrum', 'lpips', 'lpips_squeeze' or a network's cosine",
    ),
    column(
        *("mask", TEXT, ""),
        "'none'; 'centre': places weighted by a centred Gaussian; 'rings': by 1, 1/2, 1/4, 0 outwards",
    ),
    column("distance", FLOAT, "", "between the prototypes of the two threads; NaN of a blank image"),
    column(
        "shuffled", FLOAT, "", "mean distance to partners of other valid experiments of the area; NaN: none"
    ),
    column(
        "psth_distance", FLOAT, "", "mean |difference| of the best blocks' PSTHs over the normalization rate"
    ),
    column(
        "activation_distance", FLOAT, "", "|difference| of their evoked means over the normalization rate"
    ),
)

DISTANCE_CORRELATIONS = table(
    "distance_correlations",
    column("area", TEXT, "", "visual area, or 'all'"),
    SELECTION,
    _PROTOTYPE,
    column("measure", TEXT, "", "as in image_distances"),
    column("mask", TEXT, "", "as in image_distances"),
    column("response", TEXT, "", "'psth' or 'activation' distance"),
    column("n", INT, "", "experiments"),
    column("pearson_r", FLOAT, "", "of image and response distance over experiments; NaN with n < 3"),
    column("pearson_low", FLOAT, "", "lower end of its interval (Fisher z); NaN with n < 4"),
    column("pearson_high", FLOAT, "", "upper end of it"),
    column("pearson_p", FLOAT, "", "two-sided p value"),
    column("spearman_r", FLOAT, "", "rank correlation"),
    column("spearman_p", FLOAT, "", "two-sided p value"),
    column("q", FLOAT, "", "Benjamini-Hochberg of pearson_p over the measures and masks"),
)

IMAGE_PAIRINGS = table(
    "image_pairings",
    column("area", TEXT, "", "visual area, or 'all'"),
    SELECTION,
    _PROTOTYPE,
    column("measure", TEXT, "", "as in image_distances"),
    column("mask", TEXT, "", "as in image_distances"),
    column("n", INT, "", "experiments"),
    column("units", INT, "", "units that they are of, in areas with two or more"),
    column("paired", FLOAT, "", "mean distance of the two prototypes of a unit"),
    column("shuffled", FLOAT, "", "mean distance of prototypes of different units of an area"),
    column("low", FLOAT, "", "lower end of the range of 95 % of the permuted means"),
    column("high", FLOAT, "", "upper end of it"),
    column("z", FLOAT, "", "paired minus the permuted means' mean, over their standard deviation"),
    column("p", FLOAT, "", "two-sided, of permutations of the pairing within areas; NaN: none"),
    column("n_permutations", INT, "", "permutations; all of them where these are few"),
    column("q", FLOAT, "", "Benjamini-Hochberg of p over the measures and masks"),
)
