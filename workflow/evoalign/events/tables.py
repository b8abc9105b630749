"""Tables of the stimulus log and of aligned presentations."""

from __future__ import annotations

from evoalign.tables import FLAG, FLOAT, INT, TEXT, column, table

LOG = table(
    "log",
    column("presentation", INT, "", "row number from 0, in the order of showing"),
    column("trial", INT, "", "trial number from 1"),
    column("image", TEXT, "", "image name without suffix"),
    column("onset_word", INT, "", "event word sent at image onset"),
    column("offset_word", INT, "", "event word sent at image offset"),
    column("onset_s", FLOAT, "s", "onset on the clock of the stimulus computer"),
    column("offset_s", FLOAT, "s", "offset on the clock of the stimulus computer"),
    column("block", INT, "", "block (= generation) from 1; -1 when unknown"),
    column("thread", INT, "", "thread 0 or 1; -1 when unknown"),
    column("space", TEXT, "", "name of the thread's space; '' when unknown"),
    column("latent_row", INT, "", "row in the thread's code matrix of the block; -1 for none"),
    column("reference", FLAG, "", "a natural reference image"),
    column("reason", TEXT, "", "why the log's own times cannot be trusted; '' when they can"),
)

PRESENTATIONS = table(
    "presentations",
    column("presentation", INT, "", "row number from 0, in the order of the log"),
    column("trial", INT, "", "trial number from 1"),
    column("image", TEXT, "", "image name without suffix"),
    column("block", INT, "", "block (= generation) from 1; -1 when unknown"),
    column("thread", INT, "", "thread 0 or 1; -1 when unknown"),
    column("space", TEXT, "", "name of the thread's space; '' when unknown"),
    column("latent_row", INT, "", "row in the thread's code matrix of the block; -1 for none"),
    column("reference", FLAG, "", "a natural reference image"),
    column("repeat", INT, "", "how many times the image was shown before in the session"),
    column("onset_s", FLOAT, "s", "true onset on the recording's clock"),
    column("offset_s", FLOAT, "s", "true offset on the recording's clock"),
    column(
        "onset_source",
        TEXT,
        "",
        "'photodiode', 'word' (plus display delay), 'log' (clock fit) or 'file' (another tool's NWB)",
    ),
    column("word_s", FLOAT, "s", "time of the matched onset word; NaN when missing"),
    column("log_s", FLOAT, "s", "onset on the stimulus computer's clock"),
    column("residual_ms", FLOAT, "ms", "word time minus clock fit; NaN when missing"),
    column("valid", FLAG, "", "may be analysed"),
    column("reason", TEXT, "", "why not valid; '' when valid"),
)

ALIGNMENT = table(
    "alignment",
    column("session", TEXT, "", "session"),
    column("n_presentations", INT, "", "presentations in the stimulus log"),
    column("n_valid", INT, "", "presentations that may be analysed"),
    column("matched", INT, "", "presentations matched to an onset word"),
    column("missing", INT, "", "presentations without a word"),
    column("extra", INT, "", "image words without a presentation"),
    column("offset_s", FLOAT, "s", "recording clock minus log clock at log time 0"),
    column("drift_ppm", FLOAT, "ppm", "relative rate of the two clocks"),
    column("residual_median_ms", FLOAT, "ms", "median |word - fit|"),
    column("residual_p99_ms", FLOAT, "ms", "99th percentile of |word - fit|"),
    column("photodiode_fraction", FLOAT, "", "presentations whose onset is photodiode-true"),
    column("delay_median_ms", FLOAT, "ms", "median photodiode onset minus word; NaN without photodiode"),
    column("delay_p99_ms", FLOAT, "ms", "99th percentile of the same; NaN without photodiode"),
)
