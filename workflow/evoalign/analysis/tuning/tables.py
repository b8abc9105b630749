"""Tables of tuning along eigen-axes: of a session, and pooled."""

from __future__ import annotations

from evoalign.analysis.columns import UNIT
from evoalign.tables import FLAG, FLOAT, INT, TEXT, column, table

_AXIS = [
    *UNIT,
    column("subspace", TEXT, "", "'class' or 'noise'"),
    column("axis", INT, "", "number of the eigenvector, by falling eigenvalue"),
]

_DISTANCE = column("distance", FLOAT, "", "signed image distance from the centre")

_FOLLOWED = column(
    "success",
    TEXT,
    "",
    "the object thread of the evolution before, last block against first: 'succeeds' or 'fails'; 'unknown' "
    "without one",
)

_SUCCESS_GROUP = column(
    "success", TEXT, "", "sessions: 'all', or by the evolution before: 'succeeds', 'fails'"
)

_SUBSPACES = column("subspace", TEXT, "", "'class', 'noise' or 'both'")

_AREAS = column("area", TEXT, "", "visual area, or 'all'")

TUNING_POINTS = table(
    "tuning_points",
    *_AXIS,
    _DISTANCE,
    column("presentation", INT, "", "row of the presentation; those of the origin stand in each axis"),
    column("rate_hz", FLOAT, "spikes/s", "evoked rate of the presentation"),
)

TUNING_CURVES = table(
    "tuning_curves",
    *_AXIS,
    _DISTANCE,
    column("n", INT, "", "presentations"),
    column("mean_hz", FLOAT, "spikes/s", "mean evoked rate"),
    column("sem_hz", FLOAT, "spikes/s", "standard error over presentations; NaN with one"),
)

TUNING_FITS = table(
    "tuning_fits",
    *_AXIS,
    _DISTANCE,
    column("process_hz", FLOAT, "spikes/s", "predicted mean of the Gaussian process"),
    column(
        "process_sd_hz", FLOAT, "spikes/s", "its standard deviation of a presentation, white noise included"
    ),
    column("gaussian_hz", FLOAT, "spikes/s", "fitted Gaussian with baseline; NaN without one"),
    column("line_hz", FLOAT, "spikes/s", "fitted straight line"),
)

TUNING_AXES = table(
    "tuning_axes",
    *_AXIS,
    column("n", INT, "", "presentations"),
    column("n_distances", INT, "", "distances"),
    column("common", FLAG, "", "sampled at both ends that all common axes reach"),
    column("f", FLOAT, "", "F of the one-way ANOVA over distances"),
    column("p", FLOAT, "", "its p value"),
    column("q", FLOAT, "", "Benjamini-Hochberg over the axes of the session"),
    column("tuned", FLAG, "", "p is below tuning.anova_p"),
    column("amplitude_hz", FLOAT, "spikes/s", "of the Gaussian; all of it NaN when no mean rate is above 0"),
    column("mean", FLOAT, "", "distance of the Gaussian's peak"),
    column("width", FLOAT, "", "standard deviation of the Gaussian, in units of distance"),
    column("baseline_hz", FLOAT, "spikes/s", "of the Gaussian"),
    column("gaussian_r2", FLOAT, "", "1 - var(residual) / var(rate) of single presentations"),
    column("slope_hz", FLOAT, "spikes/s", "of the straight line, per unit of distance"),
    column("intercept_hz", FLOAT, "spikes/s", "of the straight line"),
    column("line_r2", FLOAT, "", "1 - var(residual) / var(rate) of single presentations"),
    column(
        "length",
        FLOAT,
        "",
        "length scale of the Gaussian process, in units of distance; NaN when rates do not vary",
    ),
    column("noise_hz", FLOAT, "spikes/s", "standard deviation of its white noise"),
    column("process_r2", FLOAT, "", "1 - var(residual) / var(rate) of single presentations"),
    column("monotonic", FLAG, "", "the process never falls, or never rises"),
    column("unimodal", FLAG, "", "it rises up to its maximum and falls after"),
    column("bell", FLAG, "", "unimodal, with a maximum that is not at an end"),
    column("shape", TEXT, "", "'monotonic', else 'bell', else 'unimodal', else 'other'"),
    column("peak", FLOAT, "", "sampled distance with the largest mean rate; the first of equals"),
    column("peak_bin", FLOAT, "", "centre of the bin that holds it"),
)

TUNING_SESSIONS = table(
    "tuning_sessions",
    *UNIT,
    column("evolution", TEXT, "", "session of the evolution before; '' when unknown"),
    _FOLLOWED,
    column(
        "evolution_t", FLOAT, "", "two-sample t of its object thread, last block against first; NaN without"
    ),
    column("evolution_p", FLOAT, "", "two-sided p of it"),
    column("n_presentations", INT, "", "presentations, each once"),
    column("n_axes", INT, "", "axes"),
    column("n_common", INT, "", "common axes"),
    column("n_tuned", INT, "", "tuned ones of these"),
)

TUNING_HEATMAP = table(
    "tuning_heatmap",
    _SUCCESS_GROUP,
    column("subspace", TEXT, "", "'class' or 'noise'"),
    column("axis", INT, "", "number of the eigenvector, by falling eigenvalue"),
    _DISTANCE,
    column("n", INT, "", "sessions"),
    column("mean", FLOAT, "", "mean over sessions of the curve over the session's largest mean rate"),
    column("sem", FLOAT, "", "standard error over sessions; NaN with one"),
)

TUNING_FRACTIONS = table(
    "tuning_fractions",
    _AREAS,
    _SUBSPACES,
    _SUCCESS_GROUP,
    column(
        "measure", TEXT, "", "'tuned' of common axes; of tuned ones 'monotonic', 'unimodal', 'bell', 'centre'"
    ),
    column("k", INT, "", "axes"),
    column("n", INT, "", "of so many"),
    column("fraction", FLOAT, "", "k / n; NaN when n is 0"),
    column("low", FLOAT, "", "lower end of the Wilson interval"),
    column("high", FLOAT, "", "upper end of it"),
)

TUNING_TESTS = table(
    "tuning_tests",
    _AREAS,
    _SUBSPACES,
    column("measure", TEXT, "", "as in tuning_fractions"),
    column("k_succeeds", INT, "", "axes after evolutions that succeed"),
    column("n_succeeds", INT, "", "of so many"),
    column("k_fails", INT, "", "axes after evolutions that fail"),
    column("n_fails", INT, "", "of so many"),
    column(
        "alternative", TEXT, "", "tested of the fraction after success: 'larger', 'smaller' or 'two-sided'"
    ),
    column("z", FLOAT, "", "two-proportion z over axes; NaN when a group is empty"),
    column("p", FLOAT, "", "its p, in the direction of `alternative`; takes axes for independent"),
    column("q", FLOAT, "", "Benjamini-Hochberg over the measures of the area and subspace"),
    column("sessions_succeed", INT, "", "evolutions that succeed, with axes counted here after them"),
    column("sessions_fail", INT, "", "evolutions that fail, the same"),
    column(
        "session_t", FLOAT, "", "difference of the fractions over its standard error, from sessions' scatter"
    ),
    column(
        "session_p", FLOAT, "", "its p by permuting success over sessions, in the direction of `alternative`"
    ),
    column("session_q", FLOAT, "", "Benjamini-Hochberg of it, as q"),
)

TUNING_PEAKS = table(
    "tuning_peaks",
    _AREAS,
    _SUBSPACES,
    _SUCCESS_GROUP,
    column("peak_bin", FLOAT, "", "centre of the bin of peak locations"),
    column("k", INT, "", "tuned common axes with their peak in it"),
    column("n", INT, "", "tuned common axes"),
    column("fraction", FLOAT, "", "k / n; NaN when n is 0"),
    column("low", FLOAT, "", "lower end of the Wilson interval"),
    column("high", FLOAT, "", "upper end of it"),
)
