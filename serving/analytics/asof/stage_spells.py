"""How deals move through their stages: a row for every stay of a deal in a stage."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from serving.analytics.asof.columns import days, looked_up, stamps, words_of
from serving.analytics.asof.known import KnownRows

ENDING = 0.95
"""A stage is only another word for the outcome where this share of its stays begin within a day of
the deal's close ("Closed Won")."""
DAY = pd.Timedelta(days=1)
OF_DEALS = ("owner", "team", "region", "segment", "product", "source", "amount", "outcome")


@dataclass(frozen=True)
class StageSpells:
    """The stays, and the stages in their order.

    frame  deal_id, stage, entered_at, left_at (NaT: still there), to (the next stage, the outcome,
           NaN: still there), ended, advanced (to a later stage, or won), days (until left or the
           instant), and the deal's owner, team, region, segment, product, source, amount
    order  the stages, earliest first
    """

    frame: pd.DataFrame
    order: tuple[str, ...]


def stage_spells(known: KnownRows, frame: pd.DataFrame) -> StageSpells:
    """Every stay known at the instant of ``known``; empty where stages have no history.

    frame  one row a deal as known then, as ``AsOfFrames.deals``
    """
    deals = frame.set_index("deal_id")
    moves = _moves(known, deals)
    moves = moves[~moves["stage"].isin(_endings(moves, deals))]
    stays = _joined(moves)
    closed = looked_up(stays["deal_id"], deals["closed_at"])
    outcome = looked_up(stays["deal_id"], deals["outcome"])
    after = closed.notna() & (stays["entered_at"] >= closed)
    stays, closed, outcome = stays[~after], closed[~after], outcome[~after]
    last = stays["next_at"].isna() | (stays["next_at"] >= closed)
    left = stays["next_at"].where(~last, closed)
    to = stays["next"].where(~last, outcome)
    order = _order(stays)
    stays = stays.assign(left_at=left, to=to)
    return StageSpells(_described(stays, order, deals, known.instant), order)


def _moves(known: KnownRows, deals: pd.DataFrame) -> pd.DataFrame:
    """deal_id, stage, entered_at: the first stage and every known change, in order of time."""
    table, rows = known.tables["changes"], known.rows("changes")
    of_stages = known.timeline.matches("changes", (("entity", "deals"), ("field", "stage")))
    rows = rows[of_stages[rows]]
    moves = words_of(table, rows, {"deal_id": "entity_id", "stage": "value", "old": "old_value"})
    moves = moves.assign(entered_at=stamps(table.instant("changed_at")[rows]))
    moves = moves[moves["deal_id"].isin(deals.index)]
    moves = moves.sort_values(["deal_id", "entered_at"], kind="stable")
    together = pd.concat(
        [_first(moves, deals, bool(of_stages.any())), moves.drop(columns="old")], ignore_index=True
    )
    return together.sort_values(["deal_id", "entered_at"], kind="stable", ignore_index=True)


def _first(moves: pd.DataFrame, deals: pd.DataFrame, history: bool) -> pd.DataFrame:
    """The stage each deal was born in, where a change says what was before or none ever came.

    history  whether stages have any history, known by now or not
    """
    old = moves.drop_duplicates("deal_id").set_index("deal_id")["old"]
    stage = old.reindex(deals.index)
    still = ~deals.index.isin(moves["deal_id"])
    if len(moves) or history:
        stage = stage.where(~still, deals["stage"])
    born = pd.DataFrame({"stage": stage, "entered_at": deals["created_at"]})
    return born.dropna().rename_axis("deal_id").reset_index()


def _endings(moves: pd.DataFrame, deals: pd.DataFrame) -> list[str]:
    """Stages that only say how the deal closed."""
    closed = looked_up(moves["deal_id"], deals["closed_at"])
    close = ((moves["entered_at"] - closed).abs() <= DAY).groupby(moves["stage"]).mean()
    return [str(stage) for stage in close.index[close >= ENDING]]


def _joined(moves: pd.DataFrame) -> pd.DataFrame:
    """Stays with the next stage and its instant; a change to the same stage is none."""
    moves = moves.dropna(subset=["stage"])
    same = (moves["deal_id"] == moves["deal_id"].shift()) & (
        moves["stage"] == moves["stage"].shift()
    )
    stays = moves[~same].reset_index(drop=True)
    by = stays.groupby("deal_id", sort=False)
    return stays.assign(next=by["stage"].shift(-1), next_at=by["entered_at"].shift(-1))


def _order(stays: pd.DataFrame) -> tuple[str, ...]:
    """Stages by how often a deal that saw two of them saw the one first (Borda's count)."""
    first = stays.groupby(["deal_id", "stage"], sort=False)["entered_at"].min().unstack("stage")
    names = sorted(str(c) for c in first.columns)
    score = {}
    for name in names:
        others = [n for n in names if n != name]
        score[name] = sum(_sooner(first[name], first[other]) for other in others)
    return tuple(sorted(names, key=lambda n: (-score[n], n)))


def _sooner(a: pd.Series, b: pd.Series) -> float:
    """Share of the deals with both in which ``a`` came first; a half where none has both."""
    both = a.notna() & b.notna()
    if not both.any():
        return 0.5
    return float(((a < b)[both] + 0.5 * (a == b)[both]).mean())


def _described(
    stays: pd.DataFrame, order: tuple[str, ...], deals: pd.DataFrame, instant: pd.Timestamp
) -> pd.DataFrame:
    """The frame of ``StageSpells``."""
    rank = {stage: i for i, stage in enumerate(order)} | {"won": len(order)}
    until = stays["left_at"].fillna(instant)
    frame = pd.DataFrame(
        {
            "deal_id": stays["deal_id"],
            "stage": stays["stage"],
            "entered_at": stays["entered_at"],
            "left_at": stays["left_at"],
            "to": stays["to"],
            "ended": stays["left_at"].notna(),
            "advanced": stays["to"].map(rank).fillna(-1) > stays["stage"].map(rank),
            "days": days(stays["entered_at"], until),
        }
    )
    for name in OF_DEALS:
        frame[name] = looked_up(frame["deal_id"], deals[name])
    return frame.reset_index(drop=True)
