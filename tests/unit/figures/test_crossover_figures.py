"""Where no crossover is reported no figure shows one, and each says why."""

import matplotlib.text
import numpy as np
import pytest

from evoalign.analysis.population import dynamics as pooled_dynamics
from evoalign.analysis.population import latency as pooled_latency
from evoalign.analysis.settings import Analysis, Encoding, Tuning
from evoalign.figures.captions import FigureSettings
from evoalign.figures.from_tables.crossover import caption, draw_crossover
from evoalign.figures.from_tables.latency import draw_latency
from evoalign.simulate.study_batch import draw_batch

SETTINGS = Analysis(n_bootstrap=50, n_permutations=200, bins_ms=(10,))
DRAWN_WITH = FigureSettings(SETTINGS, Encoding(), Tuning())


def tables_of(n, area):
    batch = draw_batch(1, n, SETTINGS, area=area, n_blocks=20, seed=4)
    return {
        "population_contrast": pooled_dynamics.contrast(batch.study),
        "crossover": pooled_dynamics.area_crossovers(batch.study),
        "latencies": pooled_latency.latencies(batch.study),
    }


def texts(figure):
    return [" ".join(text.get_text().split()) for text in figure.findobj(matplotlib.text.Text)]


@pytest.mark.parametrize(
    ("n", "area", "reason"), [(2, "IT", "fewer than 5 experiments"), (12, "V4", "object never leads")]
)
def test_figures_say_why_there_is_no_crossover(n, area, reason):
    tables = tables_of(n, area)
    figure, source = draw_crossover(tables, DRAWN_WITH)
    assert f"no crossover: {reason}" in texts(figure)
    assert not [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert f"none ({reason})" in caption(tables, DRAWN_WITH)
    assert (source["crossover"]["reason"] == reason).all()
    assert f"no crossover: {reason}" in texts(draw_latency(tables, DRAWN_WITH)[0])


@pytest.mark.parametrize(("n", "told"), [(7, "no interval: fewer than 8 sites"), (12, "interval")])
def test_figures_show_a_crossover_with_its_interval_or_say_why_it_has_none(n, told):
    tables = tables_of(n, "IT")
    row = tables["crossover"].query("selection == 'valid'").iloc[0]
    assert 90 <= row["crossover_ms"] <= 110 and np.isfinite(row["low_ms"]) == (n >= 8)
    figure, _ = draw_crossover(tables, DRAWN_WITH)
    assert f"{row['crossover_ms']:.0f} ms" in texts(figure)
    assert f"{row['crossover_ms']:.0f} ms ({told}" in caption(tables, DRAWN_WITH)
    assert f"crossover at {row['crossover_ms']:.0f} ms" in texts(draw_latency(tables, DRAWN_WITH)[0])
