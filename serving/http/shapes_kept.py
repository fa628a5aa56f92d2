"""What the answers about kept scores, feedback, models and the audit trail look like."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from serving.http.shapes import AnswerBody, AnswerPart, CurvePoint, ModelCard, ReasonOut, ReceiptOut


class LineOut(AnswerPart):
    """A stored score in one line."""

    probability: float = Field(description="of the outcome by the horizon")
    grade: str = Field(description="by the model's thresholds")
    as_of: str | None = Field(description="it knows what was before; null: a flat question")
    scored_at: str = Field(description="when its run was finished")
    model: str = Field(description="the model's name")
    model_version: str = Field(description="the model's version")


class StoredScoreOut(LineOut):
    """The newest stored score."""

    outcome: str = Field(description="whose probability it is")
    lang: str = Field(description="of the sentences")
    curve: list[CurvePoint] = Field(description="the probability by the end of each bin")
    baseline: float = Field(description="the score that the reasons start from")
    reasons: list[ReasonOut] = Field(description="largest first")
    others: float = Field(description="log-odds of all that is not among the reasons")
    receipt: ReceiptOut | None = Field(description="null: the model has no past")


class FeedbackOut(AnswerPart):
    """What was said of an entity, and the model's own value that stood then."""

    id: str = Field(description="of the statement")
    kind: Literal["outcome", "override", "note", "done", "snooze", "goal", "call", "owner"] = Field(
        description="what is said; all but the first two are written on the pages"
    )
    outcome: str | None = Field(description="of an outcome")
    probability: float | None = Field(description="of an override: the person's own")
    value: dict[str, Any] | None = Field(
        description="of a goal, a snooze, a call or an owner: its fields"
    )
    by: str = Field(description="who said so")
    note: str | None = Field(description="why, for people")
    at: str = Field(description="when it was said")
    model_probability: float | None = Field(description="the model's own, null: none was stored")
    model_grade: str | None = Field(description="the model's own")
    model_version: str | None = Field(description="of the model's own value")


class StoredOut(AnswerBody):
    """The newest stored score of an entity, those before, and what people said beside it."""

    entity: str = Field(description="leads, deals or accounts")
    id: str = Field(description="the entity's")
    score: StoredScoreOut = Field(description="the model's value; nothing replaces it")
    stale: bool = Field(description="whether the CRM said since that the record changed")
    stale_since: str | None = Field(description="when it changed")
    in_newest_run: bool = Field(description="false: it was not open any more in the newest run")
    newest_run_as_of: str | None = Field(description="the cutoff of the newest run")
    history: list[LineOut] = Field(description="newest first, at most `limit`")
    override: FeedbackOut | None = Field(description="the newest override")
    feedback: list[FeedbackOut] = Field(description="newest first, at most 50")


class FeedbackKept(AnswerBody):
    """A statement that is kept."""

    entity: str = Field(description="leads, deals or accounts")
    id: str = Field(description="the entity's")
    feedback: FeedbackOut = Field(description="as it is kept")


class FeedbackList(AnswerBody):
    """What was said of an entity."""

    entity: str = Field(description="leads, deals or accounts")
    id: str = Field(description="the entity's")
    feedback: list[FeedbackOut] = Field(description="newest first")


class GradeOut(AnswerPart):
    """A grade and where it begins."""

    grade: str = Field(description="its letter")
    from_: float = Field(alias="from", description="its lowest score")


class TrainedOn(AnswerPart):
    """The data of the training."""

    model_config = ConfigDict(extra="allow")

    fingerprint: str | None = Field(None, description="sha256 of the data set")
    snapshots: int | None = Field(None, description="rows that taught")
    entities: int | None = Field(None, description="entities that taught")
    until: str | None = Field(None, description="the end of what taught")
    data_until: str | None = Field(None, description="the data set's own end")
    made_at: str | None = Field(None, description="when it was trained")


class ModelOut(ModelCard):
    """A loaded model."""

    entity: str = Field(description="whose records it scores")
    baseline: float = Field(description="the score that reasons start from")
    grades: list[GradeOut] = Field(description="highest first")
    verdict: str = Field(description="of the newest period, in words")
    promotable: bool = Field(description="whether it beat the base rate")
    features: int = Field(description="how many it uses")
    trained_on: TrainedOn = Field(description="the data of the training")


class MetricOut(AnswerPart):
    """A measure on the newest period, with its interval."""

    model_config = ConfigDict(extra="allow")

    measure: str = Field(description="its name")
    value: float | None = Field(None, description="null: not defined there")
    low: float | None = Field(None, description="95 % interval, by entities")
    high: float | None = Field(None, description="its upper end")
    n: float | None = Field(None, description="rows it was measured on")
    baseline: float | None = Field(None, description="the base rate's own value")


class DriftOut(AnswerPart):
    """How far the newest stored scores are from the past that the receipts hold."""

    psi: float = Field(description="population stability index over the receipts' bands")
    chance: float = Field(description="what chance alone would show, 95 % of the time")
    n: int = Field(description="stored scores")
    bands: int = Field(description="bands compared")
    word: Literal["steady", "moving", "shifted"] = Field(description="in a word")


class ReloadOut(AnswerPart):
    """What became of the newest bundle that was offered."""

    model: str = Field(description="the model's name")
    outcome: Literal["loaded", "refused"] = Field(description="what became of it")
    code: str = Field(description='of a refusal, "" where it was loaded')
    reason: str = Field(description="the same for people")
    version: str = Field(description="of the bundle now in service")
    at: int = Field(description="microseconds since 1970 UTC")


class ModelDetail(ModelOut):
    """All that is told of a model."""

    metrics: list[MetricOut] = Field(description="on the newest period")
    drift: DriftOut | None = Field(description="null: see drift_note")
    drift_note: str = Field(description="the drift in words, or why it is not known")
    reload: ReloadOut | None = Field(description="null: nothing was loaded by this process")


class ModelsOut(AnswerBody):
    """The models that answer."""

    models: list[ModelOut] = Field(description="one a question")


class OneModelOut(AnswerBody):
    """One model."""

    model: ModelDetail = Field(description="all that is told of it")


class RefusedEventOut(AnswerPart):
    """One event of a delivery that could not be read; the others were."""

    path: str = Field(description="where in the delivery")
    code: str = Field(description="as of an error")
    message: str = Field(description="what is wrong")


class WebhookOut(AnswerBody):
    """What was made of a delivery."""

    events: int = Field(description="in the delivery")
    new: int = Field(description="not seen before")
    stale: int = Field(description="entities whose stored scores are stale now")
    refused: list[RefusedEventOut] = Field(description="events that could not be read")


class CountsOut(AnswerPart):
    """Rows deleted, by table."""

    model_config = ConfigDict(extra="allow")

    scores: int = Field(description="stored scores")
    stale: int = Field(description="notes of changes")
    audit: int = Field(description="rows of the audit trail")
    replies: int = Field(description="answers kept under an Idempotency-Key")
    events: int = Field(description="webhook events")
    feedback: int = Field(0, description="outcomes and overrides")
    erased: int = Field(0, description="notes of erasures")


class ErasedOut(AnswerBody):
    """What was deleted of an entity; the id is not repeated."""

    entity: str = Field(description="leads, deals or accounts")
    erased: CountsOut = Field(description="rows by table")


class PurgedOut(AnswerBody):
    """What was deleted by age."""

    before: str = Field(description="what was older")
    purged: CountsOut = Field(description="rows by table")


class ActOut(AnswerPart):
    """One act: who did what with which version."""

    at: str = Field(description="when")
    action: str = Field(description="score, feedback, …")
    key_id: str = Field(description='public id of the key, "" without one')
    request_id: str = Field(description="of the request")
    model: str | None = Field(description="the model's name")
    model_version: str | None = Field(description="the model's version")
    probability: float | None = Field(description="what was answered")
    as_of: str | None = Field(description="the score's cutoff")


class AuditOut(AnswerBody):
    """The trail of one entity."""

    entity: str = Field(description="leads, deals or accounts")
    id: str = Field(description="the entity's")
    audit: list[ActOut] = Field(description="newest first")
