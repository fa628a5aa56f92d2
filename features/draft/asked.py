"""What the whole draft asks: what never changes, what is known too late, how often to ask."""

from __future__ import annotations

from features.draft.blocks.context import Export
from features.draft.model import DraftedLine
from features.schema import OUTCOMES, TABLES


def flat_or_dated(export: Export) -> None:
    """Without any day everything is one look: what stands there is what was known."""
    draft = export.draft
    dated = [
        c for b in draft.blocks for c in b.columns if not c.left_out and c.name.endswith(("_at",))
    ]
    if dated:
        ask_fixed(export)
        return
    for block in draft.blocks:
        block.head.append(
            DraftedLine("custom_fixed", True, "sure", "no dates: what it says is what was known")
        )
        mutable = [
            c.name for c in block.columns if (d := TABLES[block.to].column(c.name)) and d.mutable
        ]
        if mutable:
            draft.fixed[block.to] = DraftedLine(
                block.to, mutable, "sure", "no dates: what was known"
            )


def ask_how_often(export: Export) -> None:
    """Deals of which nothing is known after their first day can be asked about once."""
    draft = export.draft
    dated = any(b.to == "deals" and b.column("created_at") for b in draft.blocks)
    ended = any(b.to == "deals" and b.column("outcome") for b in draft.blocks)
    if not dated or not ended or any(b.to in ("changes", "activities") for b in draft.blocks):
        return
    said = "nothing is known of a deal after its first day but its age"
    draft.settings["deal_close"] = DraftedLine("snapshots", "created", "unsure", said, True)
    draft.ask(
        28,
        "The export has no activities and no history of deals, so the model sees a deal age and "
        'nothing else: ask about each deal once, on its first day (snapshots = "created")?',
        "deal_close.snapshots",
    )


def ask_leaks(export: Export) -> None:
    """Columns that are likely written when it ends are left out until somebody says otherwise."""
    out = [(b, c) for b in export.draft.blocks for c in b.custom if c.left_out]
    if out:
        listed = ", ".join(c.name for _, c in out[:8]) + (" …" if len(out) > 8 else "")
        export.draft.ask(
            48,
            "Left out, because they are likely written when, or after, it is decided: "
            f"{listed}. Take "
            "the # away from those that are known before",
            *(f"{b.name}.{c.name}" for b, c in out),
        )


def ask_fixed(export: Export) -> None:
    """Which fields are never edited is known to nobody but the company."""
    names = [
        f"{c.spec['from'] if isinstance(c.spec, dict) else c.name} ({b.name})"
        for b in export.draft.blocks
        if b.to in OUTCOMES
        for c in b.custom
        if not c.left_out and not (isinstance(c.spec, dict) and c.spec.get("fixed"))
    ]
    if names:
        export.draft.ask(
            42,
            f"Which of these never change after the record is made: {', '.join(names[:8])}"
            f"{' …' if len(names) > 8 else ''}? Add fixed = true to them; without it they serve no "
            "prediction of the past",
            *(f"{b.name}.{c.name}" for b in export.draft.blocks for c in b.custom),
        )
