"""Tables of the encoding analysis: of a session, and pooled."""

from __future__ import annotations

from evoalign.analysis.columns import AREA, INDEX, START, STOP, UNIT, experiment_columns, model_columns
from evoalign.tables import FLAG, FLOAT, INT, TEXT, column, table

ENCODING = table(
    "encoding",
    *UNIT,
    *experiment_columns("space", "kind"),
    *model_columns(),
    START,
    STOP,
    column("n", INT, "", "presentations"),
    column("rate_hz", FLOAT, "spikes/s", "mean response over the row's n presentations"),
    column("r2", FLOAT, "", "held-out R2 of single presentations; NaN without variance"),
    column("r", FLOAT, "", "held-out Pearson correlation; NaN when a side does not vary"),
    column("linear_share", FLOAT, "", "share of variance within blocks that is linear in the latents (REML)"),
    column("linear_share_low", FLOAT, "", "lower end of its interval"),
    column("linear_share_high", FLOAT, "", "upper end of it"),
    column("ceiling", FLOAT, "", "noise ceiling of a single presentation, window and neighbours pooled"),
    column("ceiling_low", FLOAT, "", "lower end of its interval"),
    column("ceiling_high", FLOAT, "", "upper end of it"),
    column("ceiling_source", TEXT, "", "'repeats' of images or alternate 'bins' of 1 ms"),
    column("normalised_r2", FLOAT, "", "r2 over ceiling; NaN where the ceiling's interval reaches 0"),
    column("alpha", FLOAT, "", "geometric mean over folds of the chosen alphas"),
    column("alpha_at_end", FLOAT, "", "share of folds whose alpha is the first or last that was tried"),
    column("null_r2", FLOAT, "", "mean r2 of permuted responses; NaN when not permuted"),
    column(
        "p",
        FLOAT,
        "",
        "permutation p of this window; NaN: not permuted. Of the first 200 where p_fwe stays high",
    ),
    column("p_fwe", FLOAT, "", "the same against the maximum over the unit's windows"),
    column("q", FLOAT, "", "Benjamini-Hochberg over the session's units of the smallest p_fwe"),
)

ENCODING_INDEX = table(
    "encoding_index",
    *UNIT,
    *model_columns(),
    START,
    STOP,
    column("texture", FLOAT, "", "linear share of the texture space"),
    column("object", FLOAT, "", "linear share of the object space"),
    INDEX,
    column("low", FLOAT, "", "lower end of its interval"),
    column("high", FLOAT, "", "upper end of it"),
    column("equal", FLOAT, "", "mean index that equal shares would give with these latents"),
    column("equal_low", FLOAT, "", "lower end of the interval of indices that equal shares would give"),
    column("equal_high", FLOAT, "", "upper end of it"),
    column(
        "floor", FLOAT, "", "smallest divisor of the index: what two shares of 0 differ by through chance"
    ),
    column("texture_sd", FLOAT, "", "standard deviation of the texture estimate, were both shares equal"),
    column("object_sd", FLOAT, "", "the same for the object space"),
    column("explained", FLAG, "", "either space explains the unit here, family-wise over windows and spaces"),
    column("tested", FLAG, "", "this model was permuted; where not, nothing is known of `explained`"),
)

ENCODING_CROSSOVER = table(
    "encoding_crossover",
    *UNIT,
    *model_columns(),
    column("crossover_ms", FLOAT, "ms", "from a lead of texture to a later one of object; NaN: none"),
    column("reason", TEXT, "", "why there is no crossover; '' where there is one"),
    column("low_ms", FLOAT, "ms", "lower end of the interval of the crossover"),
    column("high_ms", FLOAT, "ms", "upper end of it"),
    column("p_texture_lead", FLOAT, "", "family-wise p of the strongest lead of the texture space"),
    column("p_object_lead", FLOAT, "", "the same for the object space"),
    column("p_texture", FLOAT, "", "smallest family-wise p of the texture space; NaN when not permuted"),
    column("p_object", FLOAT, "", "the same for the object space"),
    column("q_texture", FLOAT, "", "Benjamini-Hochberg over the units of the table's sessions"),
    column("q_object", FLOAT, "", "the same for the object space"),
)

ENCODING_ORDER = table(
    "encoding_order",
    *experiment_columns("session", "subject", "space", "kind"),
    column("n", INT, "", "presentations"),
    column("position_share", FLOAT, "", "latent variance that a linear trend over each block explains"),
    column("position_p", FLOAT, "", "permutation p of it, presentations shuffled within blocks"),
    column("neighbour_correlation", FLOAT, "", "correlation of latents shown one after the other"),
    column("neighbour_p", FLOAT, "", "permutation p of it, two-sided"),
    column("permute", TEXT, "", "how responses were permuted: encoding.permute"),
    column("trend_removed", FLAG, "", "linear trends over blocks were taken out: encoding.remove_trend"),
)

ENCODING_SPECTRUM = table(
    "encoding_spectrum",
    *UNIT,
    *experiment_columns("space", "kind"),
    column("rank_first", INT, "", "first Hessian eigenvector of the bin, from 0, largest eigenvalue"),
    column("rank_last", INT, "", "last eigenvector of the bin (in it)"),
    START,
    STOP,
    column("explained", FLOAT, "", "held-out cov(response, its part of the prediction) / var(response)"),
    column("share", FLOAT, "", "explained over its sum over bins; NaN when that is not positive"),
)

ENCODING_WEIGHTS = table(
    "encoding_weights",
    *UNIT,
    *experiment_columns("space", "kind"),
    START,
    STOP,
    column("latent", INT, "", "latent dimension from 0"),
    column("weight", FLOAT, "spikes/s", "change of the response per unit of the latent"),
)

# The same over all units of an area, with q over these.
ENCODING_UNITS = table("encoding_units", *ENCODING_CROSSOVER)

POPULATION_ENCODING = table(
    "population_encoding",
    AREA,
    *model_columns(),
    START,
    STOP,
    column("n", INT, "units", "units"),
    column("n_sessions", INT, "sessions", "sessions that they come from"),
    column(
        "n_explained", FLOAT, "units", "units that a space explains (q below encoding.fdr); NaN: not tested"
    ),
    column("texture", FLOAT, "", "mean linear share of the texture space over all units"),
    column("object", FLOAT, "", "mean linear share of the object space over all units"),
    INDEX,
    column("low", FLOAT, "", "lower end of the bootstrap interval over animals, sessions and units"),
    column("high", FLOAT, "", "upper end of it"),
    column("equal", FLOAT, "", "mean index that equal shares would give with these sessions' latents"),
    column("equal_low", FLOAT, "", "lower end of the interval of indices that equal shares would give"),
    column("equal_high", FLOAT, "", "upper end of it"),
    column("r2_texture", FLOAT, "", "mean held-out R2 of the texture space; depends on n and dimension"),
    column("r2_object", FLOAT, "", "the same for the object space"),
    column("significant_texture", FLOAT, "", "share of units with family-wise p at most the level"),
    column("significant_object", FLOAT, "", "the same for the object space"),
)

POPULATION_ENCODING_CROSSOVER = table(
    "population_encoding_crossover",
    AREA,
    *model_columns(),
    column("n", INT, "units", "units"),
    column("n_sessions", INT, "sessions", "sessions that they come from"),
    column("crossover_ms", FLOAT, "ms", "crossover of the area; NaN when none"),
    column("reason", TEXT, "", "why there is no crossover; '' where there is one"),
    column("low_ms", FLOAT, "ms", "lower end of its interval; NaN with too few sessions"),
    column("high_ms", FLOAT, "ms", "upper end of it"),
    column("unit_median_ms", FLOAT, "ms", "median crossover of single units that have one"),
    column("n_units", INT, "units", "units that have one"),
)

POPULATION_ENCODING_SPECTRUM = table(
    "population_encoding_spectrum",
    AREA,
    *experiment_columns("space", "kind"),
    column("rank_first", INT, "", "first Hessian eigenvector of the bin, from 0, largest eigenvalue"),
    column("rank_last", INT, "", "last eigenvector of the bin (in it)"),
    START,
    STOP,
    column("n", INT, "units", "explained units"),
    column("explained", FLOAT, "", "mean over explained units"),
    column("share", FLOAT, "", "its share of the sum over bins; NaN when that is not positive"),
)
