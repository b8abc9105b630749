"""Without a unit of the study's kind a session is analysed by another one, named, and not pooled."""

from dataclasses import replace

import pytest
from test_encoding_session import config, small_session

from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.session.analyse import analyse_session
from evoalign.figures.panels import unit_words


def analysed(kind, name, **changed):
    ours = small_session()
    ours = replace(ours, session=name, units=ours.units.assign(kind=kind))
    settings = config()
    analysis = settings.analysis.model_copy(update={"n_bootstrap": 20, "n_permutations": 20, **changed})
    settings = settings.model_copy(update={"analysis": analysis})
    return analyse_session(ours, settings), settings


@pytest.mark.parametrize("kind", ["multiunit", "online"])
def test_another_kind_is_told_and_not_pooled(kind):
    found, settings = analysed(kind, "b")
    experiment = found["experiments"].iloc[0]
    assert experiment["unit_kind"] == kind and not experiment["valid"]
    assert f"of kind {kind}, the study's are sorted" in experiment["reason"]
    sorted_unit, _ = analysed("sorted", "a")
    pooled = pool_sessions([sorted_unit, found], settings)
    assert pooled["experiments"]["valid"].tolist() == [True, False]
    assert set(pooled["population_trajectories"]["n"]) <= {0, 1}


def test_kinds_are_pooled_where_that_is_asked_for():
    found, _ = analysed("multiunit", "b", pool_kinds=True)
    assert found["experiments"]["valid"].all() and found["experiments"]["unit_kind"].tolist() == ["multiunit"]
    alone, _ = analysed("multiunit", "b", unit_kind="multiunit")
    assert alone["experiments"]["valid"].all()


@pytest.mark.parametrize(
    ("kind", "words"),
    [("sorted", "preferred unit"), ("online", "as the rig sorted it"), ("multiunit", "multi-unit activity"),
     ("envelope", "MUAe")],
)  # fmt: skip
def test_captions_name_the_kind(kind, words):
    assert words in unit_words({"unit": small_session().units.assign(kind=kind)})
