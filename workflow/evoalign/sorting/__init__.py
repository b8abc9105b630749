"""Sorting: voltages to sorted, multi- and online units with their quality."""

from evoalign.sorting.preferred import choose_preferred
from evoalign.sorting.result import SortingResult
from evoalign.sorting.session import sort_recording
from evoalign.sorting.sort import sort, sort_online_only
from evoalign.sorting.stability import with_stability

__all__ = [
    "SortingResult",
    "choose_preferred",
    "sort",
    "sort_online_only",
    "sort_recording",
    "with_stability",
]
