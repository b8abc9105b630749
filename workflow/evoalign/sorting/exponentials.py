"""Exponentials of many values at once: compiled code calls the system's for one value after the other.

numba (0.68) takes Intel's vector functions where they are installed beside it, and they are not pinned; of
a mixture's steps the exponentials took two thirds.
"""

from __future__ import annotations

import math

import numpy as np

from evoalign.compiling import compiled

SMALLEST = -700.0  # exponentials below are those of this, 1e-304
# ln 2 in two parts, the first with so few bits that a multiple of it is exact (Cody & Waite 1980).
LN2, LN2_REST = 0.693145751953125, 1.42860682030941723212e-6
SHIFT = 1.5 * 2.0**52  # added to a number, it leaves the nearest integer in the last bits
# Of the series, which is right to the last bit below ln 2 / 2.
T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13 = (1 / math.factorial(i) for i in range(2, 14))


@compiled(fastmath={"contract"})
def exponential(values):  # type: ignore[no-untyped-def]
    """Replace ``values [n]``, float64 of at most 700, by their exponentials, right to 4e-16."""
    powers = np.empty(len(values))
    for i in range(len(values)):
        value = values[i] if values[i] > SMALLEST else SMALLEST
        powers[i] = value * (1 / math.log(2.0)) + SHIFT
        whole = powers[i] - SHIFT
        rest = (value - whole * LN2) - whole * LN2_REST
        total = T13
        total = ((((total * rest + T12) * rest + T11) * rest + T10) * rest + T9) * rest + T8
        total = ((((total * rest + T7) * rest + T6) * rest + T5) * rest + T4) * rest + T3
        total = ((total * rest + T2) * rest + 1.0) * rest + 1.0
        values[i] = total
    bits = powers.view(np.int64)
    for i in range(len(values)):
        bits[i] = (bits[i] + 1023) << 52  # the exponent of a power of two
    for i in range(len(values)):
        values[i] *= powers[i]
