"""Levels of intervals that captions name: apart from what computes them, which takes seconds to load."""

DIFFERENCE_LEVEL = 0.95  # of the intervals of differences of means
CORRELATION_LEVEL = 0.95  # of the intervals of Pearson's r
