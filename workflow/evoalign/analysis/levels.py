"""Levels of intervals that captions name: apart from what computes them, which takes seconds to load."""

DIFFERENCE_LEVEL = 0.95  # of the intervals of differences of means
CORRELATION_LEVEL = 0.95  # of the intervals of Pearson's r

# Encoding: permutations after which a unit whose p is above so many times the level at which p is judged gets
# no more (`encoding.permutation.test_in_two_steps`). Of 200 p has a standard error of .015 where it is .05.
FIRST_PERMUTATIONS = 200
HOPELESS = 3
