"""Analysis: trajectories, success and dynamics of paired evolutions, by session and pooled."""

from evoalign.analysis.experiment import Experiment, drop_short_last_block, space_kind
from evoalign.analysis.pooled import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session import analyse_experiment, analyse_session

__all__ = [
    "Experiment",
    "analyse_experiment",
    "analyse_session",
    "drop_short_last_block",
    "experiment_from",
    "pool_sessions",
    "space_kind",
]
