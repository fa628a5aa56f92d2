"""All sheets of a data set: calls, pipeline, accounts, quality, figures, territories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from features.schema import QUESTIONS
from features.tables import NAT, Tables
from serving.analytics.accounts.export import markdown, table
from serving.analytics.accounts.filled import Shared, plans, share
from serving.analytics.accounts.goals import Goal
from serving.analytics.accounts.plan import AccountPlan
from serving.analytics.accounts.value import Terms
from serving.analytics.asof.frames import DIMENSIONS, AsOfFrames
from serving.analytics.health.actions import WAIT, call_plan
from serving.analytics.health.attention import attention
from serving.analytics.health.bottlenecks import bottlenecks
from serving.analytics.health.stages import move_table, stage_table
from serving.analytics.kpis import compute
from serving.analytics.kpis.catalog import chosen
from serving.analytics.kpis.customers import customers, mrr_at
from serving.analytics.kpis.definition import Given, Kpi
from serving.analytics.lists.scored import scored_list
from serving.analytics.lists.sheets import Item, Sheet, number, plain, records, word
from serving.analytics.quality.lost import lost_row
from serving.analytics.quality.worklist import quality
from serving.analytics.routing.problem import Rules
from serving.analytics.routing.proposal import propose
from serving.i18n.languages import mark
from serving.scoring.scorer import Scorer


@dataclass(frozen=True)
class DeskOptions:
    """What people state for the desk; the figures say where they need more."""

    capacity: int = 40
    wait: float = WAIT
    terms: Terms = field(default_factory=Terms)
    goals: tuple[Goal, ...] = ()
    rules: Rules = field(default_factory=Rules)
    margin_stated: bool = False


def sheets(
    tables: Tables,
    as_of: int,
    scorers: Mapping[str, Scorer],
    scores: Mapping[str, pd.DataFrame],
    given: Given,
    wishes: DeskOptions,
) -> Iterator[Sheet]:
    """One sheet after the other. scores: question -> the batch's table of open entities.

    A sheet that the data cannot fill is empty and its head says why under ``empty``.
    """
    book = AsOfFrames(tables, as_of)
    common = {"currency": tables.meta.currency, "owners": _owner_names(book)}
    for sheet in (
        _calls(book, scores, wishes),
        scored_list(tables, scorers, scores),
        _pipeline(book, scores),
        _accounts(book, scorers, wishes),
        _quality(book, list(scorers.values()), wishes),
        _figures(book, given),
        _territories(tables, book, scores, wishes),
    ):
        yield replace(sheet, head={**sheet.head, **common})


def _owner_names(book: AsOfFrames) -> dict[str, str]:
    """The name of every owner who has one, by id."""
    named = book.owners[["owner", "name"]].dropna()
    return {str(one): str(name) for one, name in named.itertuples(index=False)}


def _calls(book: AsOfFrames, scores: Mapping[str, pd.DataFrame], wishes: DeskOptions) -> Sheet:
    # whom to call hangs on what is won or lost; a company's own questions are among the scores
    scores = {question: frame for question, frame in scores.items() if question in QUESTIONS}
    if not any(len(frame) for frame in scores.values()):
        return Sheet(
            "calls",
            [],
            {"empty": mark("There are no scores: no model is trained, or none is good enough.")},
        )
    found = call_plan(book, scores, wishes.capacity, wishes.wait)
    items = [
        Item(
            f"{row['question']}:{row['id']}",
            row["name"] or row["id"],
            QUESTIONS[row["question"]],
            row["id"],
            row["owner"],
            row["question"],
            row["expected_value"],
            row["probability"],
            row["at_stake"],
            row,
        )
        for row in records(found.table)
    ]
    head = {
        "capacity": wishes.capacity,
        "wait": wishes.wait,
        "chosen": plain(vars(found.chosen)),
        "everything": plain(vars(found.everything)),
        "left_out": found.left_out,
    }
    return Sheet("calls", items, head)


def _pipeline(book: AsOfFrames, scores: Mapping[str, pd.DataFrame]) -> Sheet:
    deals = attention(book)
    frame = scores.get("deal_close", pd.DataFrame(columns=["id", "probability", "grade"]))
    known = frame.drop_duplicates("id", keep="last").set_index("id")
    deals = deals.assign(
        probability=deals["deal_id"].map(known["probability"]),
        grade=deals["deal_id"].map(known["grade"]),
    )
    items = [
        Item(
            row["deal_id"],
            row["name"] or row["deal_id"],
            "deals",
            row["deal_id"],
            row["owner"],
            row["stage"],
            row["amount"],
            row["days_in_stage"],
            row["probability"],
            row,
        )
        for row in records(deals)
    ]
    head: dict[str, Any] = {
        "funnel": _funnel(book, deals),
        "bottlenecks": records(bottlenecks(book)),
        "stages": records(stage_table(book)),
        "moves": records(move_table(book)),
        "flags": {name: int(deals[name].fillna(False).astype(bool).sum()) for name in _FLAGS},
        "value": number(deals["amount"].sum(min_count=1)),
        "expected": number((deals["amount"] * deals["probability"]).sum(min_count=1)),
    }
    if not items:
        head["empty"] = mark("no deal is open")
    return Sheet("pipeline", items, head)


def _funnel(book: AsOfFrames, deals: pd.DataFrame) -> list[dict[str, Any]]:
    """Open deals and their money by stage, in the order of the stages; value None: no amount."""
    found = []
    for stage in book.stays.order:
        here = deals[deals["stage"] == stage]
        if len(here):
            value = number(here["amount"].sum(min_count=1))
            found.append({"stage": stage, "deals": len(here), "value": value})
    return found


_FLAGS = ("stalled", "overdue", "slow", "nothing_planned")


def _accounts(book: AsOfFrames, scorers: Mapping[str, Scorer], wishes: DeskOptions) -> Sheet:
    shared = share(book, scorers.get("churn"), scorers.get("deal_close"), wishes.terms)
    made = plans(shared, list(shared.engagement), list(wishes.goals))
    if not made:
        return Sheet("accounts", [], {"empty": mark("the data know no customers")})
    rows = records(table(made))
    items = [_account(plan, row, wishes) for plan, row in zip(made, rows, strict=True)]
    items.sort(key=lambda i: (-(i.first or 0.0), i.id))
    return Sheet("accounts", items, _fit_head(shared, wishes))


def _account(plan: AccountPlan, row: dict[str, Any], wishes: DeskOptions) -> Item:
    body = {
        **row,
        "markdown": markdown(plan),
        "facts": [list(fact) for fact in plan.facts],
        "curve": [list(point) for point in plan.risk.curve] if plan.risk else [],
        "risks": [r.to_json() for r in plan.risk.risks] if plan.risk else [],
        "strengths": [r.to_json() for r in plan.risk.strengths] if plan.risk else [],
        "offers": records(plan.offers),
        **_best_offer(plan),
        "deals": records(plan.deals),
        "overdue_invoices": list(plan.overdue),
        "goals": [_goal(p) for p in plan.goals],
        "next_step": plan.steps[0].what.to_json(),
        "steps": [
            {"what": s.what.to_json(), "why": s.why.to_json(), "by": _instant(s.by)}
            for s in plan.steps
        ],
        "history": [{"at": _instant(h.at), "kind": h.kind, "said": h.said} for h in plan.history],
        "customer_at": _instant(plan.customer_at),
        "currency": plan.currency,
        "margin": wishes.terms.margin if wishes.margin_stated else None,
        "as_of": _instant(plan.as_of),
    }
    risk = plan.risk.probability if plan.risk else None
    return Item(
        plan.account_id,
        plan.name,
        "accounts",
        plan.account_id,
        plan.owner,
        word(row.get("segment")),
        number(plan.value),
        risk,
        number(plan.mrr),
        plain(body),
    )


def _best_offer(plan: AccountPlan) -> dict[str, Any]:
    """The first offer's chance and money, for the list."""
    if plan.offers.empty:
        return {"offer_chance": None, "offer_monthly": None}
    best = plan.offers.iloc[0]
    return {"offer_chance": float(best["chance"]), "offer_monthly": number(best["monthly"])}


def _goal(progress: Any) -> dict[str, Any]:
    goal = progress.goal
    told = {k: v for k, v in vars(progress).items() if k != "goal"}
    return {**told, **vars(goal), "start": _instant(goal.start), "due": _instant(goal.due)}


def _instant(at: int) -> str | None:
    return None if at == NAT else plain(pd.Timestamp(at, unit="us", tz="UTC").to_pydatetime())


def _fit_head(shared: Shared, wishes: DeskOptions) -> dict[str, Any]:
    fitted = shared.fit
    return {
        "fit": plain(
            {"auc": fitted.auc, "n": fitted.n, "stayed": fitted.stayed, "why": fitted.why}
        ),
        "terms": plain(vars(wishes.terms)),
        "margin": wishes.terms.margin if wishes.margin_stated else None,
    }


def _quality(book: AsOfFrames, scorers: list[Scorer], wishes: DeskOptions) -> Sheet:
    tables = book.tables
    found, wrong, gaps, listed = quality(tables, scorers, book.as_of, wishes.capacity)
    evidence = {(row["entity"], row["copy"]): row for one in found for row in records(one)}
    items: list[Item] = []
    for place, row in enumerate(records(listed)):
        more = evidence.get((row["table"], row["id"])) if row["kind"] == "duplicate" else None
        items.append(
            Item(
                f"{place:07d}",
                row["id"],
                row["table"],
                row["id"],
                row["owner_id"],
                row["kind"],
                number(place),
                None if more is None else more["probability"],
                None,
                {**row, "duplicate": more},
            )
        )
    head: dict[str, Any] = {
        "lost": [lost_row(c) for c in tables.meta.consequences],
        "unlinked": _unlinked(book),
        "gaps": [row for one in gaps for row in records(one.fields)],
        "capacity": wishes.capacity,
        "counts": {str(k): int(n) for k, n in listed["kind"].value_counts().items()},
        "impossible": {str(k): int(n) for k, n in wrong["rule"].value_counts().items()},
    }
    if not items:
        clean = not head["lost"] and not head["unlinked"]
        head["empty"] = (
            mark("no error was found in single records")
            if clean
            else mark("no single record has an error; what concerns many records stands above")
        )
    return Sheet("quality", items, head)


def _unlinked(book: AsOfFrames) -> list[dict[str, Any]]:
    """Open records without an account or an owner: table, column, how many, of how many."""
    found = []
    for of, frame in (("deals", book.deals), ("leads", book.leads)):
        running = frame[frame["open"]]
        for column in ("account_id", "owner"):
            missing = int(running[column].isna().sum())
            # leads become accounts later: that they have none yet is no error
            if missing and not (of == "leads" and column == "account_id"):
                word = "account" if column == "account_id" else column
                found.append({"table": of, "column": word, "n": missing, "of": len(running)})
    return found


def _figures(book: AsOfFrames, given: Given) -> Sheet:
    """Every figure as a whole, by month, and by each dimension it can be divided by."""
    every = chosen([])
    parts = [compute.table(book, every, (), "", given)]
    parts.append(
        compute.table(book, [f for f in every if f.periods], (), "month", given, _year(book))
    )
    for name in DIMENSIONS:
        parts.append(compute.table(book, [f for f in every if name in f.by], (name,), "", given))
    items: list[Item] = []
    titles = {f.name: f.title for f in every}
    for part in parts:
        for row in records(part):
            by = next((d for d in DIMENSIONS if d in row), "")
            group = f"{by}: {row[by]}" if by else (row["period"] or "")
            items.append(
                Item(
                    f"{len(items):07d}",
                    f"{row['figure']} {group}".strip(),
                    word=row["figure"],
                    first=row.get("value"),
                    second=number(row.get("n")),
                    body={
                        **row,
                        "title": titles[row["figure"]],
                        "by": by,
                        "group": row[by] if by else None,
                    },
                )
            )
    return Sheet("figures", items, {"figures": [_told(f) for f in every]})


def _year(book: AsOfFrames) -> pd.Timestamp:
    return book.instant - pd.Timedelta(days=366)


def _told(figure: Kpi) -> dict[str, Any]:
    names = ("name", "title", "unit", "grain", "interval", "caveats", "formula")
    return {n: plain(getattr(figure, n)) for n in names if hasattr(figure, n)}


def _territories(
    tables: Tables, book: AsOfFrames, scores: Mapping[str, pd.DataFrame], wishes: DeskOptions
) -> Sheet:
    """Owners proposed for open leads, by their chance, and for customers, by what they pay."""
    if not tables["owners"].n:
        said = mark("routing needs owners, and the data have none; nothing is proposed")
        return Sheet("territories", [], {"empty": said})
    items: list[Item] = []
    parts = []
    for entity, values in (("leads", _chances(scores)), ("accounts", _payments(book))):
        first = dict(sorted(values.items(), key=lambda one: -one[1])[:ROUTED])
        if not first:
            continue
        found = propose(tables, entity, first, book.as_of, wishes.rules)
        items += [_move(entity, row) for row in records(found.moves)]
        parts.append(
            {
                "entity": entity,
                "balance": records(found.balance),
                "unmet": plain(found.unmet),
                "gap": found.gap,
                "cases": len(first),
                "left": len(values) - len(first),
            }
        )
    head: dict[str, Any] = {"parts": parts, "rules": plain(vars(wishes.rules))}
    if not items:
        head["empty"] = mark("nothing would move")
    return Sheet("territories", items, head)


ROUTED = 3_000
"""Cases of the most value that are routed at once; more are no list that people work through."""


def _chances(scores: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    frame = scores.get("lead_conversion")
    if frame is None or frame.empty:
        return {}
    return dict(zip(frame["id"], frame["probability"].astype(float), strict=True))


def _payments(book: AsOfFrames) -> dict[str, float]:
    """Present customers and what they pay a month; one who is not known to pay counts for nothing
    but as a case."""
    paid = mrr_at(book, book.instant)
    present = customers(book, book.instant)["account_id"]
    return {str(one): float(paid.get(one, 0.0)) for one in present}


def _move(entity: str, row: dict[str, Any]) -> Item:
    body = {**row, "table": entity, "question": QUESTION[entity]}
    one = row["id"]
    return Item(
        f"{entity}:{one}", one, entity, one, row["to"], entity, row["value"], None, None, body
    )


QUESTION = {entity: question for question, entity in QUESTIONS.items()}
