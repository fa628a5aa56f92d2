"""What a report is about, and how it calls things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from features.spine import FeatureSpec
from features.tables import Floats, Ints
from training.charts.dates import MONTHS
from training.evaluation.holdout import BASE, MODEL, HoldoutResult
from training.evaluation.measures import Estimate
from training.models.bundle import Bundle
from training.task.dataset import TrainingData

ASKED = {
    "lead_conversion": "Will this lead convert?",
    "deal_close": "Will this deal be won?",
    "churn": "Will this customer leave?",
}
MANY = {"leads": "leads", "deals": "deals", "accounts": "customers"}
DID = {"converted": "converted", "won": "were won", "churned": "left"}
KINDS = {"email": "e-mail", "web": "web visit", "usage": "product use", "support": "support case"}


@dataclass(frozen=True)
class Subject:
    """One finished training run, and what its report needs beside it.

    rows      (m,) rows of the newest period that were explained, positions in the spine; values
              and effects (m, F) are theirs: the matrix, and contributions in log-odds
    notes     what was reduced, left out or could not be done, in sentences
    findings  the leak audit, None where none was made; columns: column, colour, check, sentence
              and what_to_do
    """

    bundle: Bundle
    teaching: TrainingData
    judgement: HoldoutResult
    rows: Ints
    values: Floats
    effects: Floats
    notes: Sequence[str] = ()
    findings: pd.DataFrame | None = None
    seed: int = 0

    @property
    def asked(self) -> str:
        """The question as a person asks it."""
        asks = self.bundle.question.get("asks") or f"{self.bundle.name.replace('_', ' ')}?"
        return ASKED.get(self.bundle.name, asks[:1].upper() + asks[1:])

    @property
    def many(self) -> str:
        """What the entities are called."""
        return MANY.get(self.teaching.question.entity, self.teaching.question.entity)

    @property
    def did(self) -> str:
        """What the entities with the outcome did."""
        happened = self.teaching.question.happened
        return DID.get(happened, happened)

    @property
    def by_when(self) -> str:
        """The horizon in words; "" for a flat table."""
        question = self.teaching.question
        return "" if question.flat else f"within {question.horizon:g} days"

    @property
    def rate(self) -> float:
        """The base rate known at training time: what the base-rate baseline says of every row."""
        said = self.judgement.others.get(BASE)
        return float(self.judgement.hit.mean() if said is None else said[0])

    def measured(self, measure: str) -> Estimate:
        """One of the model's own measures on the judged rows."""
        board = self.judgement.board
        row = board[(board["model"] == MODEL) & (board["measure"] == measure)].to_dict("records")[0]
        return Estimate(row["value"], row["low"], row["high"], int(row["n"]))

    @property
    def ordered(self) -> list[FeatureSpec]:
        """The features in the order of the matrix's columns."""
        known = {spec.name: spec for spec in self.bundle.features}
        return [known[name] for name in self.bundle.model.encoding.names]

    @property
    def judged_entities(self) -> list[str]:
        """Entity of each judged row."""
        return self.teaching.entities(self.judgement.rows)


def word_of(spec: FeatureSpec, word: str) -> str:
    """A category's word as people say it: "07" of the calendar month is Jul."""
    return MONTHS[int(word) - 1] if spec.name == "month" and word.isdigit() else word


def group_name(group: str, members: Sequence[FeatureSpec]) -> str:
    """A reason's name: its only feature's, or the group's own word and how many columns it sums."""
    if len(members) == 1:
        return members[0].short
    words = KINDS.get(group, group.replace("_", " "))
    return f"{words[:1].upper()}{words[1:]} ({len(members)} columns)"


def column_name(name: str) -> str:
    """A field's own name as words."""
    words = name.removeprefix("custom_").replace("_", " ")
    return words[:1].upper() + words[1:]
