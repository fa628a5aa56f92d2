"""The feature glossary, docs/features.md: written from the definitions, never by hand."""

from __future__ import annotations

from features.catalog import definitions
from features.definitions.declare import Definition
from features.schema import OUTCOMES, Kind
from features.spine import FeatureSpec
from features.tables import CustomField, Meta

_HEAD = """# Features

Written by `python -m features glossary`; a test keeps it in step. A name with braces stands for one
feature a variant; `{category}`, `{number}`, `{boolean}` and `{instant}` stand for the custom fields
and activity properties of that kind that the mapping names. Every feature sees only what was known
before its cutoff; missing stays missing. A feature exists in a model when the data hold facts for
it: a field that is edited while the entity lives needs its history in `changes`, or the mapping's
word that it does not change.

| name | meaning | unit | entities | source |
|---|---|---|---|---|
"""

_KINDS: tuple[Kind, ...] = ("category", "number", "boolean", "instant")
# one custom field of every kind, so that the glossary shows what each becomes
_META = Meta(
    as_of="2000-01-01T00:00:00+00:00",
    custom={
        table: [CustomField(f"{{{kind}}}", kind, True, "its own", f"{{{kind}}}") for kind in _KINDS]
        for table in ("leads", "deals", "accounts", "contacts", "activities")
    },
)


def glossary() -> str:
    """The text of docs/features.md."""
    rows: dict[tuple[str, str], list[Definition]] = {}
    for entity in OUTCOMES:
        for definition in definitions(entity, _META).values():
            same = rows.setdefault((definition.template, definition.says), [])
            if entity not in [d.spec.entity for d in same]:
                same.append(definition)
    return _HEAD + "".join(_line(same) for same in rows.values())


def named() -> list[FeatureSpec]:
    """Every feature of the catalogue, with one custom field of every kind."""
    return [d.spec for entity in OUTCOMES for d in definitions(entity, _META).values()]


def _line(same: list[Definition]) -> str:
    first = same[0]
    meaning = first.says + "".join(
        f" ({{{name}}}: {', '.join(str(v) for v in values)})"
        for name, values in first.variants.items()
    )
    sources = ", ".join(dict.fromkeys(d.spec.source for d in same))
    unit = first.spec.unit or ("word" if first.spec.kind == "category" else "")
    entities = ", ".join(d.spec.entity for d in same)
    return f"| `{first.template}` | {meaning} | {unit} | {entities} | {sources} |\n"
