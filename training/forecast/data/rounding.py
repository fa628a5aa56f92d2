"""The quantum of money: amounts are whole multiples of it, so that sums are exact in any order.

The parts, the values of a dimension and the months of a quarter therefore add up to the whole draw
by draw. 0.1 and 0.2 become 6554 and 13107 quanta, and their sum is 19661 quanta whatever is added
first; as floating-point numbers 0.1 + 0.2 + 0.3 depends on the order.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from features.tables import Floats

QUANTUM = 2.0**-16
"""A power of two far below a cent; sums are exact below 2^37 = 137,000,000,000 units of money."""


@njit(cache=True, inline="always")
def quantum_of(amount: float) -> float:
    """One amount rounded to a multiple of ``QUANTUM``, for compiled code."""
    return float(np.rint(amount / QUANTUM) * QUANTUM)


def exact(amounts: Floats) -> Floats:
    """Amounts rounded to multiples of ``QUANTUM``."""
    rounded: Floats = np.rint(amounts / QUANTUM) * QUANTUM
    return rounded
