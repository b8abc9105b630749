"""The order of figures in the report."""

from __future__ import annotations

from evoalign.figures.sets import (
    FEATURE_FIGURES,
    IMAGE_FIGURES,
    POPULATION_FIGURES,
    POPULATION_TUNING_FIGURES,
    PROTOTYPE_FIGURES,
    SESSION_FIGURES,
    TUNING_FIGURES,
)

# As a reader meets them on the page: the answer first, then what it rests on.
ORDER = (
    "paired_evolution",
    "evolved_images",
    "reference_responses",
    *SESSION_FIGURES,
    *TUNING_FIGURES,
    *IMAGE_FIGURES,
    *FEATURE_FIGURES,
    *POPULATION_FIGURES,
    *PROTOTYPE_FIGURES,
    *POPULATION_TUNING_FIGURES,
    "raster",
    "alignment",
    "quality",
)
