"""The manifold-alignment engine: which space explains a unit, and when (docs/methods.md section 6)."""

from typing import TYPE_CHECKING, Any

from evoalign.analysis.encoding.alignment_index import alignment_index, compare, unit_crossover
from evoalign.analysis.encoding.distribution import share_distribution
from evoalign.analysis.encoding.folds import Folds, block_folds, image_folds
from evoalign.analysis.encoding.kernels import Rotated, random_basis
from evoalign.analysis.encoding.nested import Plan
from evoalign.analysis.encoding.permutation import null_r2, permutations, test_windows
from evoalign.analysis.encoding.results import to_dataset
from evoalign.analysis.encoding.ridge import log_alphas, nested_cv
from evoalign.analysis.encoding.session import encode_session, load_frames
from evoalign.analysis.encoding.variance import linear_kernel, linear_share

if TYPE_CHECKING:
    from evoalign.analysis.encoding.estimator import EncodingRidge

__all__ = [
    "EncodingRidge",
    "Folds",
    "Plan",
    "Rotated",
    "alignment_index",
    "block_folds",
    "compare",
    "encode_session",
    "image_folds",
    "linear_kernel",
    "linear_share",
    "load_frames",
    "log_alphas",
    "nested_cv",
    "null_r2",
    "permutations",
    "random_basis",
    "share_distribution",
    "test_windows",
    "to_dataset",
    "unit_crossover",
]


def __getattr__(name: str) -> Any:
    """Load scikit-learn's estimator when it is asked for: no job has need of it."""
    if name == "EncodingRidge":
        from evoalign.analysis.encoding.estimator import EncodingRidge

        return EncodingRidge
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
