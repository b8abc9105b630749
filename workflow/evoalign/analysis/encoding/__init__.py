"""The manifold-alignment engine: which space explains a unit, and when (METHODS section 6)."""

from evoalign.analysis.encoding.alignment_index import alignment_index, crossover_ms
from evoalign.analysis.encoding.folds import Folds, block_folds, image_folds
from evoalign.analysis.encoding.kernels import Rotated, random_basis
from evoalign.analysis.encoding.nested import Plan
from evoalign.analysis.encoding.permutation import null_r2, permutations, test_windows
from evoalign.analysis.encoding.results import to_dataset
from evoalign.analysis.encoding.ridge import EncodingRidge, log_alphas, nested_cv
from evoalign.analysis.encoding.session import encode_session

__all__ = [
    "EncodingRidge",
    "Folds",
    "Plan",
    "Rotated",
    "alignment_index",
    "block_folds",
    "crossover_ms",
    "encode_session",
    "image_folds",
    "log_alphas",
    "nested_cv",
    "null_r2",
    "permutations",
    "random_basis",
    "test_windows",
    "to_dataset",
]
