"""Closed-loop image evolution: optimisers, the loop, subjects."""
