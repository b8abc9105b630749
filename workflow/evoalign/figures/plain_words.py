"""What each figure shows, in words that need no knowledge of the method: its title and one sentence."""

from __future__ import annotations

# Stem of the figure's files -> title, and what a reader sees in it. What is computed stands in the caption.
PLAIN_WORDS = {
    "success_activation": (
        "Success of evolutions, and responses before and after",
        "How often evolved images raised the unit's response, by area and image space, and how far.",
    ),
    "success_splits": (
        "Success by image space and optimiser",
        "The same share of successful evolutions, for each image generator and each search algorithm.",
    ),
    "population_trajectories": (
        "Responses over the course of evolution",
        "Mean response to the evolving images, by block: it rises where a search finds what units prefer.",
    ),
    "strict_trajectories": (
        "Responses over evolution by time bin, both threads clearly successful",
        "Experiments in which both searches raised the response beyond doubt, by time after image onset.",
    ),
    "time_constants": (
        "How fast evolutions rise",
        "Number of blocks until a search has reached most of its gain: fewer is faster.",
    ),
    "crossover": (
        "Which space drives the response when: the crossover",
        "Above zero, evolved objects drive the late response more than evolved textures; below, less.",
    ),
    "latency": (
        "When each space begins to lead",
        "First time after image onset at which one space's images drive the response more than the other's.",
    ),
    "population_psth": (
        "Response over time, first and last block",
        "Mean firing rate after image onset, before and after evolution, for both image spaces.",
    ),
    "binned_trajectories": (
        "Responses over evolution by time bin",
        "Course of evolution in each stretch of time after image onset: which part of the response rises.",
    ),
    "binned_difference": (
        "Object minus texture by block and time",
        "Where in the response, and when during evolution, objects drive more than textures.",
    ),
    "attribution": (
        "When in the response evolution gains",
        "Share of the evolutions' gain that falls on each time after image onset, for both image spaces.",
    ),
    "animals": (
        "The crossover in each animal",
        "Whether all animals show the same time course of objects against textures.",
    ),
    "specifications": (
        "Does the result hang on choices of analysis?",
        "Objects against textures under every sensible choice of window, experiments and scale.",
    ),
    "alignment_index": (
        "How well units follow each space's latents over time",
        "Above zero, responses follow the object space's coordinates better; below, the texture space's.",
    ),
    "hessian_spectrum": (
        "Which directions of a space units follow",
        "Whether units follow directions along which images change much, or those where they change little.",
    ),
    "prototypes": (
        "Evolved prototypes",
        "The image that each search ended with, side by side for both spaces of an experiment.",
    ),
    "image_similarity": (
        "Do similar prototypes drive similar responses?",
        "Distance between an experiment's two prototypes against the difference of the responses to them.",
    ),
    "image_pairings": (
        "Do the two prototypes of a unit resemble each other?",
        "Distance between prototypes of the same unit against that between prototypes of different units.",
    ),
    "tuning_heatmaps": (
        "Tuning along eigen-axes, mean of sessions",
        "Mean response as images depart from the evolved one along each axis of the image space.",
    ),
    "tuning_shapes": (
        "Shapes of tuning curves",
        "How many axes change the response, and how many have their peak at the evolved image.",
    ),
    "tuning_peaks": (
        "Where tuning curves peak",
        "Distance from the evolved image at which the response is largest, over all tuned axes.",
    ),
    "evolved_images": (
        "The evolution in images",
        "Best image of every n-th block in both spaces, above the response as it changes over blocks.",
    ),
    "paired_evolution": (
        "Paired evolution",
        "Mean response of the unit by block in both spaces, with the best image of each.",
    ),
    "reference_responses": (
        "Responses to natural images",
        "What the unit answers to the natural images that were shown among the evolved ones.",
    ),
    "stacked_psth": (
        "Response over time, block by block",
        "Firing rate after image onset in each block, for both spaces, and the first against the best block.",
    ),
    "unit_heatmaps": (
        "Units that follow the latents, by time",
        "For each unit and time window, how much of its response follows each space's coordinates.",
    ),
    "raster": (
        "Rasters",
        "Every spike around image onset (a dot), presentation by presentation, and the mean rate below.",
    ),
    "alignment": (
        "Alignment of clocks and screen",
        "How well the rig's event words agree with the behaviour computer's log, and light with words.",
    ),
    "quality": (
        "Quality of sorting",
        "Waveforms, noise, isolation and stability of the units that were found.",
    ),
    "tuning": (
        "Tuning along eigen-axes",
        "Response of the unit as images depart from the evolved one along single axes of the image space.",
    ),
    "image_selectivity": (
        "Selectivity for images",
        "Which of the images that were shown the unit prefers, and how reliably.",
    ),
    "image_features": (
        "Which features of images explain responses",
        "How much of the unit's responses each set of image features predicts.",
    ),
}


def figure_title(stem: str) -> str:
    """Title of a figure; of one without an entry, the name of its files."""
    return PLAIN_WORDS[stem][0] if stem in PLAIN_WORDS else stem.replace("_", " ")


def meaning(stem: str) -> str:
    """One sentence on what a figure shows; '' of one without an entry."""
    return PLAIN_WORDS[stem][1] if stem in PLAIN_WORDS else ""
