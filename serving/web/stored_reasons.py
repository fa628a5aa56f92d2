"""Stored reasons told in the reader's language: a reason keeps what its sentence was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.i18n.languages import LANGUAGES
from serving.i18n.sentences import sentence
from serving.scoring.predictor import Predictor


def retold(
    reasons: Sequence[Mapping[str, Any]], desk: Predictor | None, lang: str
) -> list[dict[str, Any]]:
    """Reasons with their sentence in ``lang`` and the length of their bar, in per cent.

    Where the model that would know the feature is not loaded the sentence stays as it was stored.
    """
    longest = max((abs(r["points"]) for r in reasons), default=0.0) or 1.0
    specs = {} if desk is None else {s.name: s for s in desk.scorer.specs}
    found = []
    for reason in reasons:
        said, spec = reason["sentence"], specs.get(reason["feature"])
        if desk is not None and spec is not None and lang in LANGUAGES:
            scorer = desk.scorer
            value, moved = reason["value"], reason["points"]
            currency = scorer.bundle.meta.currency
            said = sentence(spec, value, moved, scorer.outcome, currency, lang)
        width = round(100 * abs(reason["points"]) / longest, 1)
        found.append({**reason, "sentence": said, "width": width})
    return found
