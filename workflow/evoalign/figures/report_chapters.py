"""Chapters of the report: which figure stands in which, and what one without content would need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evoalign.figures.report import Panel

# As the paper tells it; what no chapter names comes last.
POPULATION = {
    "Evolution": (
        *("success_activation", "success_splits", "population_trajectories", "strict_trajectories"),
        "time_constants",
    ),
    "Dynamics": (
        *("crossover", "latency", "population_psth", "binned_trajectories", "binned_difference"),
        *("attribution", "animals", "specifications"),
    ),
    "Encoding": ("alignment_index", "hessian_spectrum"),
    "Tuning": ("tuning_heatmaps", "tuning_shapes", "tuning_peaks"),
    "Similarity": ("prototypes", "image_similarity", "image_pairings"),
}
SESSION = {
    "Evolution": ("evolved_images", "paired_evolution", "reference_responses"),
    "Responses": ("stacked_psth", "raster", "tuning", "image_selectivity"),
    "Encoding": ("unit_heatmaps", "image_features"),
    "Recording": ("alignment", "quality"),
}
OTHER = "More"

# What a figure without content would need, after "nothing to draw: it needs".
NEEDS = {
    "hessian_spectrum": "units that latents explain beyond chance, and an eigenframe of their spaces; "
    "a study has about 900 images a space",
    "unit_heatmaps": "a unit that latents explain beyond chance; a study has about 900 images a space",
    "alignment_index": "units that latents explain beyond chance; a study has about 900 images a space",
    "specifications": "more valid experiments of an area",
    "crossover": "a valid experiment with one texture and one object space",
    "latency": "a valid experiment with one texture and one object space",
    "animals": "valid experiments of an area from two animals",
    "image_similarity": "images in the NWB files, or weights of their generators",
    "image_pairings": "images in the NWB files, or weights of their generators",
}


@dataclass(frozen=True)
class Chapter:
    """Figures under one heading.

    Attributes
    ----------
    title, anchor : str
    figures : sequence of Panel
        Those with something to see.
    missing : sequence of (str, str)
        Name of each other figure, and what it would need.
    """

    title: str
    anchor: str
    figures: Sequence[Panel]
    missing: Sequence[tuple[str, str]]


def chapter_of(stem: str, contents: dict[str, tuple[str, ...]]) -> str:
    """Return the title of the chapter in which a figure stands."""
    return next((title for title, stems in contents.items() if stem in stems), OTHER)


def chapters(panels: Sequence[Panel], contents: dict[str, tuple[str, ...]], prefix: str) -> list[Chapter]:
    """Sort figures into chapters; those without a figure are left out.

    Parameters
    ----------
    panels : sequence of Panel
    contents : dict
        `POPULATION` or `SESSION`.
    prefix : str
        Of the anchors: a page has the same titles many times.
    """
    by_stem = {panel.stem: panel for panel in panels}
    listed = {stem for stems in contents.values() for stem in stems}
    of_chapter = {
        title: [by_stem[stem] for stem in stems if stem in by_stem] for title, stems in contents.items()
    }
    of_chapter[OTHER] = [panel for panel in panels if panel.stem not in listed]
    return [
        Chapter(
            title=title,
            anchor=f"{prefix}-{title.lower()}",
            figures=[panel for panel in members if not panel.empty],
            missing=[(p.name, NEEDS.get(p.stem, "more data")) for p in members if p.empty],
        )
        for title, members in of_chapter.items()
        if members
    ]
