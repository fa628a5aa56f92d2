"""The same futures counted: every deal won and every charge is 1 in place of its amount."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from training.forecast.simulate.deal_kernels import NewDealInputs, OpenDealInputs
from training.forecast.simulate.purchase_kernels import NewBuyerInputs, RepeatBuyerInputs
from training.forecast.simulate.renewal_kernels import NewCustomerInputs, RenewalInputs

Inputs = TypeVar(
    "Inputs",
    OpenDealInputs,
    NewDealInputs,
    RenewalInputs,
    NewCustomerInputs,
    RepeatBuyerInputs,
    NewBuyerInputs,
)
MONEY = ("amount", "factors", "growth", "pool", "first")
"""The fields of inputs that amounts are made of."""


def counted(inputs: Inputs, counting: bool = True) -> Inputs:
    """The inputs with every amount 1; as they are where ``counting`` is false."""
    if not counting:
        return inputs
    whole: Any = inputs
    ones = {m: np.ones_like(getattr(whole, m)) for m in MONEY if m in whole._fields}
    found: Inputs = whole._replace(**ones)
    return found
