"""GET /v1/forecast: the newest kept forecast, or the part of it that is asked for."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from serving.http.endpoint import Call, Endpoints
from serving.http.errors import Problem
from serving.http.forecast_reader import (
    PARAMETERS,
    BadForecast,
    BadQuery,
    ForecastReader,
    NoForecast,
    answer,
)
from serving.http.params import read_params
from serving.http.shapes import AnswerBody, AnswerPart


class PeriodOut(AnswerPart):
    """A month, or a quarter of the fiscal year."""

    name: str
    kind: Literal["month", "quarter"]
    start: str
    end: str = Field(description="the first instant after it")


class RateOut(AnswerPart):
    """An exchange rate that was used."""

    currency: str
    rate: float = Field(description="reporting currency per unit")
    rate_at: str | None = Field(description="from when it holds")


class ForecastRow(AnswerPart):
    """What is foreseen of one part of one stream in one period."""

    stream: Literal["bookings", "recurring", "total"]
    dimension: str
    value: str
    period: str
    kind: Literal["month", "quarter"]
    start: str
    end: str
    part: str = Field(description="whole is the sum of the other parts")
    mean: float
    p10: float = Field(description="lower end of the range of `level`")
    p50: float
    p90: float = Field(description="upper end of the range of `level`")
    n: float | None = Field(description="deals or customers behind it; null: not there yet")


class TargetOut(AnswerPart):
    """A target beside the forecast, and what people say themselves."""

    dimension: str
    value: str
    period: str
    target: float | None = Field(description="quotas, pro rata by days; null: there is none")
    covered: float | None = Field(description="share of the period's days that quotas speak of")
    closed: float = Field(description="booked in the period so far")
    p50: float
    mean: float
    chance: float | None = Field(description="share of the draws that reach the target")
    gap: float | None = Field(description="target less p50; negative: above it")
    left: float | None = Field(description="target less closed, at least 0")
    due: float = Field(description="open amount that people date into the period")
    coverage: float | None = Field(description="due by left; null: nothing is left, or no target")
    commit: float | None = Field(description="closed and what people commit to; null: no calls")
    best_case: float | None = Field(description="commit and what people call best case")


class QuantilesOut(AnswerPart):
    """The distribution of the whole."""

    stream: str
    period: str
    levels: list[float]
    values: list[float]


class DriverOut(AnswerPart):
    """An open deal that matters to the range."""

    period: str
    deal_id: str
    name: str | None
    owner: str | None
    stage: str | None
    category: str | None
    expected_close_at: str | None
    amount: float | None
    probability: float = Field(description="to be won in the period")
    mean: float = Field(description="expected booked amount in the period")
    influence: float | None = Field(description="share of the variance of the bookings")


class StepOut(AnswerPart):
    """One step of a bridge."""

    step: str
    name: str
    amount: float
    n: int = Field(description="deals")


class BridgeOut(AnswerPart):
    """What changed since an earlier forecast; the steps sum to end less start, to the cent."""

    period: str
    measure: Literal["pipeline", "expected", "recurring"]
    since: str = Field(description="the earlier forecast's as_of")
    start: float
    end: float
    steps: list[StepOut]


class CoverOut(AnswerPart):
    """How much pipeline a target would need to be reached with a stated confidence."""

    period: str
    confidence: float
    target: float
    chance: float
    due: float
    times: float | None = Field(description="today's open deals, so many times; null: no number")
    more: float | None = Field(description="open amount due that is missing; 0: none is")
    deals: float | None = Field(description="deals like today's that are missing")
    coverage: float | None = Field(description="open amount due by what is left of the target")


class CapacityOut(AnswerPart):
    """One line of the capacity table: measured, or stated with its argument."""

    topic: str
    name: str
    value: float | None
    low: float | None = Field(description="95 % interval, where it was measured")
    high: float | None
    n: float | None
    unit: str
    basis: Literal["measured", "stated", "computed"]
    why: str


class WeightOut(AnswerPart):
    """How much a way counts in a period's quantiles, by its past losses."""

    stream: str
    period: str
    method: str
    weight: float = Field(description="the weights of a period sum to 1")


class CorrectionOut(AnswerPart):
    """Where the record has moved a period's range, in half-ranges; -1, 0 and 1: nowhere."""

    stream: str
    period: str
    evidence: float = Field(description="past periods that it was learned from")
    low: float
    middle: float
    high: float
    effective: float = Field(description="different draws that the range rests on")


class GrowthOut(AnswerPart):
    """A part of the change of a period's mean against an earlier period."""

    stream: str
    period: str
    base: str = Field(description="the earlier period")
    before: float
    after: float
    part: Literal["season", "trend", "price", "mix"]
    amount: float = Field(description="the four parts sum to after less before")


class ScenarioOut(AnswerPart):
    """A period under an assumption, through the same draws: an assumption, not a forecast."""

    scenario: str
    stream: str
    period: str
    mean: float
    p10: float
    p50: float
    p90: float
    change: float = Field(description="mean less the forecast's mean")


class ForecastOut(AnswerBody):
    """The newest kept forecast."""

    as_of: str = Field(description="only what was known before it speaks")
    expires: str = Field(description="the end of the first period; ask for a newer one then")
    expired: bool
    data: str
    currency: str
    level: float = Field(description="share of the draws between p10 and p90")
    draws: int
    shock: float
    rates: list[RateOut]
    notes: list[str]
    dimension: str
    dimensions: list[str]
    periods: list[PeriodOut]
    table: list[ForecastRow]
    targets: list[TargetOut]
    quantiles: list[QuantilesOut]
    drivers: list[DriverOut]
    bridges: list[BridgeOut]
    cover: list[CoverOut]
    capacity: list[CapacityOut]
    combination: list[WeightOut]
    corrections: list[CorrectionOut]
    growth: list[GrowthOut]
    scenarios: list[ScenarioOut]


PARAMETER_WORDS = {
    "stream": ("bookings, recurring or total; left out: every one there is", "bookings"),
    "dimension": ("owner, team, region, segment or product; left out: the whole company", "team"),
    "period": ('one period by its name, as "2026-01" or "2026-Q1"; left out: every one', "2026-Q1"),
    "kind": ("month or quarter; left out: both", "quarter"),
    "scenario": ("one what-if by its words; left out: every one there is", "price +3%"),
}
"""What each parameter means, and an example of it."""


class ForecastRoutes:
    """The handler of /v1/forecast."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self._shelf: ForecastReader | None = None

    async def newest(self, call: Call) -> Response:
        """The newest kept forecast, or the part of it that is asked for."""
        params = read_params(call.request, PARAMETERS)
        root = self.endpoints.settings.forecasts
        if self._shelf is None or self._shelf.root != root:
            self._shelf = ForecastReader(root)
        return call.respond(await run_in_threadpool(_found, self._shelf, params, call.at))


def _found(shelf: ForecastReader, params: dict[str, str], now: int) -> dict[str, Any]:
    try:
        return answer(shelf.newest(), params, now)
    except NoForecast as none:
        raise Problem("no_forecast", str(none)) from None
    except BadForecast as bad:
        raise Problem("forecast_unreadable", str(bad), retry_after="60") from None
    except BadQuery as bad:
        raise Problem("not_in_forecast", str(bad), bad.parameter[:80]) from None
