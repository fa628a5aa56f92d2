"""The glossary says what the code does: it is written from the definitions."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.catalog import definitions
from features.definitions.glossary import glossary
from features.tables import Meta
from tests.helpers.histories import META

ROOT = Path(__file__).parents[1]


def test_the_glossary_is_in_step() -> None:
    written = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    assert written == glossary(), "run `python -m features glossary > docs/features.md`"


@pytest.mark.parametrize("entity", ["leads", "deals", "accounts"])
@pytest.mark.parametrize("meta", [Meta(), META])
def test_every_feature_says_what_it_is(entity: str, meta: Meta) -> None:
    for name, definition in definitions(entity, meta).items():
        spec = definition.spec
        assert spec.name == name and spec.entity == entity
        assert spec.meaning and spec.source and spec.group
        assert "{" not in spec.name + spec.meaning + spec.group + "".join(definition.needs)
        assert spec.unit or spec.kind == "category" or spec.source in META.custom, name


@pytest.mark.parametrize("entity", ["leads", "deals", "accounts"])
def test_no_outcome_is_a_feature(entity: str) -> None:
    for name, definition in definitions(entity, META).items():
        assert name not in ("outcome", "closed_at", "closed_amount")
        assert f"{entity}.outcome" not in definition.needs
