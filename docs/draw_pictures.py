"""Draw the example pictures of the manual: `python docs/draw_pictures.py RESULTS`.

RESULTS is the folder of a finished demo. Figures of the population are drawn of 170 experiments that are
simulated here, as far as they need no images; all others are those of the demo.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from PIL import Image

from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.figures.captions import FigureSettings
from evoalign.figures.sets import POPULATION_FIGURES, draw_all, save_all
from evoalign.simulate.study_design import draw_study
from evoalign.simulate.study_session import simulate_responses
from evoalign.study import Config

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/images/figures"
WIDTH, MOST_HEIGHT, QUALITY = 900, 1100, 70
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


def shrink(picture: Path, name: str) -> None:
    """Write a picture as WebP, small enough for a page."""
    with Image.open(picture) as image:
        image = image.convert("RGB")
        image.thumbnail((WIDTH, MOST_HEIGHT))
        image.save(PICTURES / f"{name}.webp", quality=QUALITY, method=6)


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
        for picture in (Path(folder) / "figures").glob("*.png"):
            shrink(picture, picture.stem)


if __name__ == "__main__":
    sys.exit(main())
