"""Analysis: trajectories, success and dynamics of paired evolutions, by session and pooled.

Import what analyses a session from `session`, what pools sessions from `pooled`: a change of the second
need not do the first again.
"""

from evoalign.analysis.experiment import Experiment, drop_short_last_block, space_kind
from evoalign.analysis.preferred import experiment_from

__all__ = [
    "Experiment",
    "drop_short_last_block",
    "experiment_from",
    "space_kind",
]
