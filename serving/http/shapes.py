"""What the answers about scores look like: the shapes that both OpenAPI documents are made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AnswerPart(BaseModel):
    """A part of an answer: nothing unnamed in it."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AnswerBody(AnswerPart):
    """What every body says."""

    request_id: str = Field(description="the caller's X-Request-Id, or one of ours")
    version: str = Field(description="of the service")


class BaseRateOut(AnswerPart):
    """Share of snapshots with the outcome by the horizon."""

    training: float = Field(description="in training")
    newest: float = Field(description="in the newest period whose outcomes are known")
    expected: float = Field(description="what the model expected of that period, on average")
    differs: bool = Field(description="whether newest and training differ beyond chance")


class ModelCard(AnswerPart):
    """Which model answered."""

    name: str = Field(description="of the question it answers")
    version: str = Field(description="of the model")
    outcome: str = Field(description="whose probability it gives")
    horizon_days: float | None = Field(description="null for a flat question")
    trained_until: str | None = Field(description="the end of what it learned from")
    base_rate: BaseRateOut | None = Field(description="null: nothing had matured")


class CurvePoint(AnswerPart):
    """The probability of the outcome by a day after as_of."""

    day: float = Field(description="days after as_of")
    probability: float = Field(description="of the outcome by then")


class ReasonOut(AnswerPart):
    """What one group of related features did to the score."""

    code: str = Field(description="stable name of the group")
    feature: str = Field(description="the one that pushed most in the group's direction")
    value: float | str | None = Field(description="in `unit`; null: no such event yet")
    unit: str = Field(description='of the value, "" where it has none')
    effect: float = Field(description="log-odds")
    points: float = Field(description="probability: 0.06 is 6 points")
    direction: Literal["up", "down"] = Field(description="where it pushed the score")
    sentence: str = Field(description="for people, in the language asked for")
    own: bool = Field(description="whether a seller can influence it")


class ReceiptOut(AnswerPart):
    """How past scores like this one turned out, at the stated base rate where there is one."""

    n: int = Field(description="past scores in the band")
    happened: int = Field(description="of them, those with the outcome")
    share: float = Field(description="happened by n, or what a stated prior makes of it")
    low: float = Field(description="95 % interval of the share, by entities")
    high: float = Field(description="its upper end")
    from_: float = Field(alias="from", description="the band's lowest score")
    to: float = Field(description="the band's highest score")
    predicted: float = Field(description="mean score in the band")
    calibrated: bool = Field(description="whether the interval holds the mean score")
    restated: bool = Field(
        False, description="whether a stated prior moved shares and scores; the counts stay"
    )


class MovedPart(AnswerPart):
    """One part of a score's change; of a fact also what it was and became."""

    part: Literal["facts", "time", "model", "calibration", "prior"] = Field(description="its kind")
    code: str = Field(description="the reason's code for a fact, else the part")
    effect: float = Field(description="log-odds")
    points: float = Field(description="probability")
    sentence: str = Field(description="for people")
    feature: str = Field("", description="of a fact")
    before: float | str | None = Field(None, description="its value then")
    after: float | str | None = Field(None, description="its value now")
    unit: str = Field("", description="of both")


class MovedOut(AnswerPart):
    """Why the score moved since compare_to.as_of; the parts sum to effect and to points."""

    probability: float = Field(description="the score then")
    effect: float = Field(description="logit(probability) now, less that then")
    points: float = Field(description="the change in probability")
    sentence: str = Field(description="for people")
    parts: list[MovedPart] = Field(description="largest first")


class ScoredRecord(AnswerPart):
    """A record and its score; effects and others sum to logit(probability) - logit(baseline)."""

    index: int = Field(description="of the record in the request")
    id: str = Field(description="the entity's")
    probability: float = Field(ge=0, le=1, description="of the outcome by the horizon")
    curve: list[CurvePoint] = Field(description="the same by the end of each bin")
    grade: str = Field(description="by thresholds fixed in training")
    baseline: float = Field(description="the score that the reasons start from")
    reasons: list[ReasonOut] = Field(description="largest first")
    others: float = Field(description="log-odds of all that is not among the reasons")
    receipt: ReceiptOut | None = Field(description="null: the model has no past")
    moved: MovedOut | None = Field(None, description="where compare_to was asked for")
    warnings: list[str] = Field(description="what was not used, and why")


class FaultOut(AnswerPart):
    """Why a record was not scored."""

    code: str = Field(description="stable")
    path: str = Field(description="into the request")
    message: str = Field(description="what was wrong and what to do")


class UnscoredRecord(AnswerPart):
    """A record that was not scored; the others were."""

    index: int = Field(description="of the record in the request")
    id: str | None = Field(description="null: it has none that can be read")
    error: FaultOut = Field(description="why")


class Answer(AnswerBody):
    """The answer to a request: one result a record, in order."""

    model: ModelCard = Field(description="which model answered")
    as_of: str | None = Field(description="null for a flat question")
    results: list[ScoredRecord | UnscoredRecord] = Field(description="one a record, in order")


class ProblemOut(AnswerBody):
    """RFC 9457 problem details."""

    type: str = Field(description="urn:embudo:problem: and the code")
    title: str = Field(description="the code in words")
    status: int = Field(description="of the response")
    code: str = Field(description="stable; see docs/integration.md")
    detail: str = Field(description="what was wrong here")
    action: str = Field(description="what to do")
    path: str = Field(description='where in the request, "" where no one place is')
