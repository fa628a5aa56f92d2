"""How a figure is declared: its words, its unit, and the one function that gives its cases."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from serving.analytics.asof.frames import DIMENSIONS, AsOfFrames
from serving.analytics.asof.windows import Window

# what can be wrong with a figure; ``warning`` joins these with "; "
NO_CASES = "no cases"
FEW = "fewer than 10 cases: it says next to nothing"
SOME = "fewer than 30 cases: read the interval, not the figure"
WIDE = "the interval is wider than the figure itself"
MISSING = "some cases lack the value and are left out"
UNREACHED = "fewer than half have ended: the median is not reached"
UNWATCHED = "nothing was watched that long"
HORIZON = "nobody was watched for the whole horizon: a lower bound"
ZERO = "the interval holds 0: chance alone could do this"
RUNNING = "the period is not over"
NOTHING_BELOW = "nothing to divide by"
NO_COST = "no cost was given for it"
SHORT = "the data do not reach back to the beginning of what it is compared with"
ABSENT = "the data hold no "
LOST = "at reading: "
WARNINGS = (
    *(NO_CASES, FEW, SOME, WIDE, ZERO, MISSING, UNREACHED, UNWATCHED, HORIZON, RUNNING),
    *(NOTHING_BELOW, NO_COST, SHORT, ABSENT, LOST),
)

SMALL, MODEST = 10, 30
"""Below the first number of cases a figure says next to nothing, below the second little."""


@dataclass(frozen=True)
class SalesPlan:
    """What somebody intends: its cost, the deals it adds, the points it adds to the win rate."""

    cost: float
    deals: float = 0.0
    lift: float = 0.0


@dataclass(frozen=True)
class Given:
    """What the tables cannot say; a figure that needs one of these is left out without it.

    margin     gross margin, share of revenue
    discount   yearly rate at which later money counts less
    horizon    years of a customer's life that are counted
    costs      what winning customers cost: start, end (timestamps), cost, source (may be missing)
    plan       a plan to be judged
    forecasts  kept forecasts: origin, period, start, end, p10, p50, p90 (``kept.read``)
    scores     question -> the batch's table (id, cutoff, probability, day_…)
    """

    margin: float | None = None
    discount: float = 0.1
    horizon: float = 5.0
    costs: pd.DataFrame | None = None
    plan: SalesPlan | None = None
    forecasts: pd.DataFrame | None = None
    scores: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def lacks(self, name: str) -> bool:
        """Whether nothing was given under this name."""
        value = getattr(self, name)
        return value is None or (isinstance(value, Mapping) and not value)


@dataclass(frozen=True)
class KpiEstimate:
    """A value with its 95 % interval, the cases behind it, and what is to be said of it."""

    value: float
    low: float
    high: float
    n: int
    notes: tuple[str, ...] = ()


Cases = Callable[[AsOfFrames, Window, Given], pd.DataFrame]
Estimator = Callable[[pd.DataFrame, Given], KpiEstimate]


@dataclass(frozen=True)
class Kpi:
    """One figure.

    formula    in words; grain: what one case is; interval: which one; caveats: what it cannot say
    by         what it can be divided by
    needs      "table.column" that must hold facts; "a|b": one of them
    inputs     names in ``Given`` it cannot do without
    adds       whether the parts of a division add up to the whole
    stock      whether it is a state at the window's end rather than what happened inside
    periods    whether it can be asked of past periods
    cases      the cases of a window, with a column for every dimension
    estimate   the value of some cases
    """

    name: str
    title: str
    formula: str
    unit: str
    grain: str
    interval: str
    cases: Cases
    estimate: Estimator
    caveats: str = ""
    by: tuple[str, ...] = DIMENSIONS
    needs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    adds: bool = False
    stock: bool = False
    periods: bool = True


@dataclass(frozen=True)
class KpiRegistry:
    """The figures of one module, in the order of its lines."""

    figures: list[Kpi] = field(default_factory=list)

    def figure(
        self,
        title: str,
        estimate: Estimator,
        *,
        unit: str,
        grain: str,
        interval: str,
        name: str = "",
        formula: str = "",
        caveats: str = "",
        by: tuple[str, ...] = DIMENSIONS,
        needs: tuple[str, ...] = (),
        inputs: tuple[str, ...] = (),
        adds: bool = False,
        stock: bool = False,
        periods: bool = True,
    ) -> Callable[[Cases], Cases]:
        """Declare the decorated function as the cases of a figure; its docstring is the formula."""

        def declare(cases: Cases) -> Cases:
            words = " ".join((formula or inspect.getdoc(cases) or "").split())
            self.figures.append(
                Kpi(
                    name or getattr(cases, "__name__", ""),
                    title,
                    words,
                    unit,
                    grain,
                    interval,
                    cases,
                    estimate,
                    caveats,
                    by,
                    needs,
                    inputs,
                    adds,
                    stock,
                    periods,
                )
            )
            return cases

        return declare
