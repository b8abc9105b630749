"""Draw the example pictures of the manual: `python docs/draw_pictures.py RESULTS`.

RESULTS is the folder of a finished demo. Figures of the population are drawn of 170 experiments that are
simulated here, as far as they need no images; those of a session of other images are of a localizer that
is simulated here too; all others are those of the demo.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from evoalign.analysis.encoding import encode_session
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment, analyse_session
from evoalign.figures.captions import FigureSettings
from evoalign.figures.sets import FEATURE_FIGURES, IMAGE_FIGURES, POPULATION_FIGURES, draw_all, save_all
from evoalign.responses.session_responses import SessionResponses
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses
from evoalign.study import Config

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/images/figures"
DPI, QUALITY = 125, 70  # of all alike, so that letters of all are of one size
# Of which session the figures are shown: one with an evolution, and of those along eigen-axes the other.
EVOLUTION, TUNING = "IT_blackrock", "IT_tuning"
OF_ENCODING = ("alignment_index", "hessian_spectrum")


def draw_population(folder: Path) -> None:
    """Draw the figures that rates alone suffice for, of a study of the published size."""
    config = Config(device="cpu")
    tables = [
        analyse_experiment(
            experiment_from(simulate_responses(design, -50, 250), config.analysis, unstable=design.unstable),
            config.analysis,
            config.seed,
        )
        for design in draw_study(170)
    ]
    settings = FigureSettings(config.analysis, config.encoding, config.tuning, config.prototypes)
    figures = {name: entry for name, entry in POPULATION_FIGURES.items() if name not in OF_ENCODING}
    drawn = draw_all(pool_sessions(tables, config), settings, figures)
    save_all(drawn, folder, ROOT / config.figures.style, config.figures.dpi)


def localizer(n_images: int = 60, repeats: int = 10, n_units: int = 12) -> SessionResponses:
    """Simulate a session without blocks; units follow two sets of features, each at a time of its own."""
    rng = np.random.default_rng(0)
    names = [f"image{k:03d}" for k in range(n_images)]
    features = [rng.standard_normal((n_images, 6)) for _ in range(2)]
    time_ms = np.arange(-50, 250)
    courses = [np.exp(-(((time_ms - peak) / width) ** 2)) for peak, width in ((75, 20), (140, 40))]
    weights = rng.standard_normal((2, 6, n_units)) * np.linspace([1, 0.3], [0.3, 1], n_units).T[:, None]
    image = rng.permutation(np.repeat(np.arange(n_images), repeats))
    drives = [feature @ weight for feature, weight in zip(features, weights, strict=True)]
    rate_hz = 10.0 + sum(
        np.clip(60 + 40 * drive[image].T, 0, None)[:, :, None] * course
        for drive, course in zip(drives, courses, strict=True)
    )
    presentations = pd.DataFrame({
        "image": [names[k] for k in image], "onset_s": 0.3 * np.arange(len(image)), "block": -1, "thread": -1,
        "space": "", "latent_row": image, "reference": False, "valid": True, "reason": "", "trial": 1,
    })  # fmt: skip
    units = pd.DataFrame({"unit": np.arange(n_units), "kind": "sorted", "area": "IT"})
    units["preferred"] = units["unit"] == n_units - 1
    codes = {(-1, number): (feature, names) for number, feature in enumerate(features)}
    counts = rng.poisson(rate_hz / 1000).astype(np.uint16)
    spaces = ("contours", "parts")
    return SessionResponses(counts, -50, units, presentations, "localizer", "A", "IT", codes, spaces=spaces)


def draw_localizer(folder: Path) -> None:
    """Draw the figures of a session of other images."""
    config, responses = Config(device="cpu"), localizer()
    tables = analyse_session(responses, config) | encode_session(responses, config, {})
    settings = FigureSettings(config.analysis, config.encoding, config.tuning, config.prototypes)
    drawn = draw_all(tables, settings, {**IMAGE_FIGURES, **FEATURE_FIGURES})
    save_all(drawn, folder, ROOT / config.figures.style, config.figures.dpi)


def shrink(picture: Path, name: str) -> None:
    """Write a picture as WebP, small enough for a page."""
    with Image.open(picture) as image:
        scale = DPI / image.info["dpi"][0]
        shrunk = image.convert("RGB").resize(
            [round(scale * side) for side in image.size], Image.Resampling.LANCZOS
        )
        shrunk.save(PICTURES / f"{name}.webp", quality=QUALITY, method=6)


def main() -> None:
    """Write all pictures that the demo and the simulated study have."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="of a finished demo")
    figures = parser.parse_args().results / "figures"
    PICTURES.mkdir(parents=True, exist_ok=True)
    shown = {TUNING: "tuning", EVOLUTION: "*", "population": "*"}
    for folder, pattern in shown.items():
        for picture in (figures / folder).glob(f"{pattern}.png"):
            shrink(picture, picture.stem)
    with tempfile.TemporaryDirectory() as folder:
        draw_population(Path(folder) / "figures")
        draw_localizer(Path(folder) / "figures")
        for picture in (Path(folder) / "figures").glob("*.png"):
            shrink(picture, picture.stem)


if __name__ == "__main__":
    main()
