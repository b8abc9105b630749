"""Tables of units of an image network."""

from __future__ import annotations

from evoalign.tables import FLOAT, INT, TEXT, column, table

_NETWORK = column("network", TEXT, "", "'trained', 'random' weights, or 'null': random and shuffled")
_LAYER = column("layer", TEXT, "", "layer of the network; where a table has areas, the area")
_SPACE_NAME = column("space", TEXT, "", "name of the image space")
_STATISTIC = column("statistic", TEXT, "", "'contrast', 'slope', 'saturation' or 'centre'")
_PART = column("projection", TEXT, "", "part of the latent: 'full', a block, 'top' or 'bottom' directions")
_N_FEATURES = column("n_features", INT, "", "numbers that predict")

INSILICO_LINEARITY = table(
    "insilico_linearity",
    _NETWORK,
    _LAYER,
    _SPACE_NAME,
    _PART,
    _N_FEATURES,
    column("channel", INT, "", "of the unit, from 0"),
    column("r2", FLOAT, "", "of the unit's activation by held-out images, ridge from the latents"),
)

INSILICO_LAYERS = table(
    "insilico_layers",
    _NETWORK,
    _LAYER,
    _SPACE_NAME,
    _PART,
    _N_FEATURES,
    column("n", INT, "", "units"),
    column("r2", FLOAT, "", "mean over units"),
    column("low", FLOAT, "", "lower end of its bootstrap interval over units"),
    column("high", FLOAT, "", "upper end of it"),
)

INSILICO_IMAGES = table(
    "insilico_images",
    _NETWORK,
    _LAYER,
    column("session", TEXT, "", "name of the session"),
    column("thread", INT, "", "thread of the evolution"),
    _SPACE_NAME,
    column("when", TEXT, "", "'first' or 'last' block"),
    _STATISTIC,
    column("value", FLOAT, "", "mean over the block's generated images"),
)

INSILICO_IMAGE_CHANGES = table(
    "insilico_image_changes",
    _NETWORK,
    _LAYER,
    _SPACE_NAME,
    _STATISTIC,
    column("n", INT, "", "sessions"),
    column("first", FLOAT, "", "mean over sessions, first block"),
    column("last", FLOAT, "", "last block"),
    column("change", FLOAT, "", "last minus first"),
    column("low", FLOAT, "", "lower end of its 95 % interval (Student's t)"),
    column("high", FLOAT, "", "upper end of it"),
    column("p", FLOAT, "", "two-sided paired t-test over sessions"),
    column("q", FLOAT, "", "Benjamini-Hochberg of p over the network's layers, spaces and statistics"),
)

_OPTIMISER = column("optimiser", TEXT, "", "'CMA-ES', 'Adam' (which knows the gradient) or 'random'")
_DIMENSION = column("dimension", INT, "", "of the latent")
_DEPTH = column("depth", INT, "", "coupling layers of the flow that warps the landscape; 0 = not warped")

INSILICO_WARPED = table(
    "insilico_warped",
    _OPTIMISER,
    _DIMENSION,
    _DEPTH,
    column("repeat", INT, "", "landscape, from 0; the same for all optimisers"),
    column("score", FLOAT, "", "best that was tried; the maximum is 1"),
)

INSILICO_WARPED_MEANS = table(
    "insilico_warped_means",
    _OPTIMISER,
    _DIMENSION,
    _DEPTH,
    column("n", INT, "", "landscapes"),
    column("score", FLOAT, "", "mean over landscapes"),
    column("low", FLOAT, "", "lower end of its 95 % interval (Student's t)"),
    column("high", FLOAT, "", "upper end of it"),
)
