"""The order of figures in the report. Names alone: the report draws nothing, and loads no drawing library."""

from __future__ import annotations

# As a reader meets them on the page: the answer first, then what it rests on.
ORDER = (
    "paired_evolution",
    "evolved_images",
    "reference_responses",
    "stacked_psth",
    "unit_heatmaps",
    "tuning",
    "success_activation",
    "success_splits",
    "population_trajectories",
    "time_constants",
    "population_psth",
    "binned_trajectories",
    "strict_trajectories",
    "binned_difference",
    "attribution",
    "crossover",
    "latency",
    "animals",
    "specifications",
    "alignment_index",
    "hessian_spectrum",
    "image_similarity",
    "image_pairings",
    "prototypes",
    "tuning_heatmaps",
    "tuning_shapes",
    "tuning_peaks",
    "raster",
    "alignment",
    "quality",
)
