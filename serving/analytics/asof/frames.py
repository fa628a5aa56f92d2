"""The company as it was known at one instant: the frames that every figure is computed from."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from features.asof import past
from features.catalog import definitions
from features.definitions.money import convert
from features.quotas import quotas
from features.tables import NAT, Tables
from features.timeline import Timeline
from serving.analytics.asof.columns import looked_up, stamps, texts, words_of
from serving.analytics.asof.known import KnownRows
from serving.analytics.asof.memberships import memberships
from serving.analytics.asof.stage_spells import StageSpells, stage_spells

DIMENSIONS = ("owner", "team", "region", "segment", "product", "source")
"""What figures can be divided by; ``stage`` and ``kind`` are some figures' own."""


class AsOfFrames(KnownRows):
    """What was known before ``as_of`` (microseconds): nothing later enters any frame.

    Edited fields are replayed from ``changes``. One without history is known only at the end of the
    data (or where the mapping says it is fixed); earlier it is missing. Amounts are in the
    reporting currency: what is open at the rate last known at ``as_of``, what was booked at the
    rate last known when it was booked.
    """

    def __init__(self, tables: Tables, as_of: int, timeline: Timeline | None = None) -> None:
        super().__init__(tables, as_of, timeline)
        self._books: dict[int, AsOfFrames] = {as_of: self}

    @cached_property
    def first(self) -> pd.Timestamp | None:
        """When the first deal, lead or account entered the CRM; None where none did."""
        frames = (self.deals, self.leads, self.accounts)
        return min(
            (f["created_at"].min() for f in frames if f["created_at"].notna().any()), default=None
        )

    def at(self, instant: pd.Timestamp) -> AsOfFrames:
        """The same company at an earlier instant."""
        as_of = instant.value // 1000  # nanoseconds, whatever the unit it is kept in
        if as_of not in self._books:
            asof = AsOfFrames(self.tables, as_of, self.timeline)
            asof._books = self._books
            self._books[as_of] = asof
        return self._books[as_of]

    def pushes(self) -> pd.Series:
        """How often each deal's close date was moved later, by deal_id."""
        view = self._view("deals")
        moved = definitions("deals", self.tables.meta)["close_date_pushes"].compute(view)
        return pd.Series(np.asarray(moved, np.float64), index=pd.Index(view.spine.ids))

    @cached_property
    def owners(self) -> pd.DataFrame:
        """owner, team, region of the sellers who had joined."""
        table, rows = self.tables["owners"], self.rows("owners")
        columns = {"owner": "owner_id", "team": "team", "region": "region", "name": "name"}
        return words_of(table, rows, columns).drop_duplicates("owner", keep="last")

    @cached_property
    def accounts(self) -> pd.DataFrame:
        """account_id, name, industry, dimensions, created_at, customer_at, left_at.

        customer_at: as stated, else the first contract's start, else the first won deal; left_at:
        as stated, else the end of the last contract once none runs. Which of them is decided once
        for the whole table, by what the data hold.
        """
        view = self._view("accounts")
        columns = ("name", "segment", "tier", "industry", "region", "owner_id")
        frame = self._frame(view, columns)
        frame = frame.assign(team=self.of_owner(frame["owner"], "team"))
        if frame["region"].isna().all():
            frame["region"] = self.of_owner(frame["owner"], "region")
        since = self._known(view, "customer_at")
        gone, word = self._known(view, "closed_at"), view.word("outcome").words()
        left = gone.where(texts(word).notna())
        return frame.assign(**self._customers(frame["account_id"], since, left))

    def _customers(self, ids: pd.Series, since: pd.Series, left: pd.Series) -> dict[str, pd.Series]:
        contracts = self.subscriptions.groupby("account_id")
        if since.isna().all():
            since = looked_up(ids, contracts["started_at"].min())
        if since.isna().all():
            won = self.deals[self.deals["outcome"] == "won"]
            since = looked_up(ids, won.groupby("account_id")["closed_at"].min())
        if left.isna().all() and len(self.subscriptions):
            runs = set(self.subscriptions[self.subscriptions["ended_at"].isna()]["account_id"])
            left = looked_up(ids, contracts["ended_at"].max()).where(~ids.isin(runs))
        return {"customer_at": since, "left_at": left}

    @cached_property
    def deals(self) -> pd.DataFrame:
        """One row a deal: id, dimensions, instants, stage, outcome, amounts.

        deal_id, name, account_id, lead_id, type, pipeline, stage, category, probability,
        expected_close_at, amount, booked, created_at, closed_at, outcome (of known closes), open.
        region is the deal's, else its account's, else its owner's; source the deal's, else its
        lead's: whichever the data hold. booked is a won deal's closed_amount, else its last amount.
        """
        view = self._view("deals")
        plain = ("name", "account_id", "contact_id", "lead_id", "owner_id", "type", "product")
        more = ("source", "region", "pipeline", "stage", "forecast_category")
        frame = self._frame(view, plain + more).rename(columns={"forecast_category": "category"})
        frame = self._closing(frame, view)
        amount = self._money(view, "amount", np.full(len(view), self.as_of))
        closed = frame["closed_at"].to_numpy("datetime64[us]").astype(np.int64)
        booked = self._money(view, "closed_amount", closed)
        booked = np.where(np.isnan(booked), self._money(view, "amount", closed), booked)
        frame = frame.assign(
            amount=amount,
            booked=np.where(frame["outcome"] == "won", booked, np.nan),
            probability=self._number(view, "probability"),
            expected_close_at=stamps(self._plan(view, "expected_close_at")),
        )
        return self._named(self._placed(frame, self.leads), "deal_id")

    @cached_property
    def leads(self) -> pd.DataFrame:
        """One row a lead: lead_id, dimensions, created_at, closed_at, outcome, open, status."""
        view = self._view("leads")
        plain = ("name", "account_id", "owner_id", "source", "campaign", "region", "status")
        frame = self._closing(self._frame(view, plain), view)
        placed = self._placed(frame.assign(product=texts([None] * len(frame))), None)
        return self._named(placed, "lead_id")

    @cached_property
    def activities(self) -> pd.DataFrame:
        """at, kind, direction, owner, team, region (the owner's), lead_id, deal_id, account_id."""
        table, rows = self.tables["activities"], self.rows("activities")
        names = ("kind", "direction", "lead_id", "deal_id", "account_id")
        frame = words_of(table, rows, {"owner": "owner_id"} | {n: n for n in names})
        return frame.assign(
            at=stamps(table.instant("occurred_at")[rows]),
            team=self.of_owner(frame["owner"], "team"),
            region=self.of_owner(frame["owner"], "region"),
        )

    @cached_property
    def planned(self) -> pd.DataFrame:
        """at, kind, lead_id, deal_id, account_id of activities that lie ahead and were known.

        One that does not say when it became known is known only at the end of the data.
        """
        table = self.tables["activities"]
        at, available = table.instant("occurred_at"), table.instant("available_at")
        now = np.full(table.n, self.as_of)
        known = past(available, now) | ((available == NAT) & (self.as_of >= self.end))
        rows = np.flatnonzero((at != NAT) & ~past(at, now) & known)
        names = ("kind", "lead_id", "deal_id", "account_id")
        return words_of(table, rows, {n: n for n in names}).assign(at=stamps(at[rows]))

    @cached_property
    def subscriptions(self) -> pd.DataFrame:
        """account_id, product, mrr (at the rates of ``as_of``), started_at, ended_at (if known)."""
        table, rows = self.tables["subscriptions"], self.rows("subscriptions")
        at = np.full(table.n, self.as_of)
        ended = np.where(past(table.known("ended_at"), at), table.instant("ended_at"), NAT)
        mrr = convert(self.timeline, table.number("mrr"), table.coded("currency"), at)
        return words_of(table, rows, {"account_id": "account_id", "product": "product"}).assign(
            mrr=mrr[rows],
            started_at=stamps(table.instant("started_at")[rows]),
            ended_at=stamps(ended[rows]),
        )

    @cached_property
    def quotas(self) -> pd.DataFrame:
        """owner, team, region (the owner's), amount, start, end of the periods that have begun.

        A quota is set before its period: on the period's first day it is known. What a quota says
        twice, a manager's over the team's, counts once (``features.quotas``).
        """
        table = self.tables["quotas"]
        begun = table.instant("period_start_at") == self.as_of
        begun &= past(table.instant("available_at"), np.full(table.n, self.as_of)) | (
            table.instant("available_at") == NAT
        )
        rows = np.union1d(self.rows("quotas"), np.flatnonzero(begun))
        start, counted = table.instant("period_start_at"), quotas(self.tables).counted
        rows = rows[counted[rows] != 0]
        money = convert(self.timeline, counted, table.coded("currency"), start)
        frame = words_of(table, rows, {"owner": "owner_id"})
        return frame.assign(
            team=self.of_owner(frame["owner"], "team"),
            region=self.of_owner(frame["owner"], "region"),
            amount=money[rows],
            start=stamps(start[rows]),
            end=stamps(table.instant("period_end_at")[rows]),
        )

    @cached_property
    def memberships(self) -> pd.DataFrame:
        """account_id, since, until: the stretches in which each account was a customer."""
        stated = self.tables["accounts"].has("closed_at")
        return memberships(self.accounts, self.subscriptions, stated)

    @cached_property
    def stays(self) -> StageSpells:
        """The stages of every deal in order, and how long it stayed in each."""
        return stage_spells(self, self.deals)

    def _named(self, frame: pd.DataFrame, key: str) -> pd.DataFrame:
        """Give a row without a name its account's name and its product, else its id."""
        accounts = self.accounts_plain
        named = accounts["name"].where(accounts["name"].notna(), accounts["account_id"])
        account = looked_up(frame["account_id"], pd.Series(named.array, accounts["account_id"]))
        both = account + " · " + frame["product"]
        names = frame["name"]
        for other in (both, account, frame["product"] + " · " + frame[key], frame[key]):
            names = names.where(names.notna(), other)
        return frame.assign(name=names)

    def _placed(self, frame: pd.DataFrame, leads: pd.DataFrame | None) -> pd.DataFrame:
        """Add team and segment, and fill a region or source that the table itself lacks."""
        accounts = self.accounts_plain.set_index("account_id")
        frame = frame.assign(
            team=self.of_owner(frame["owner"], "team"),
            segment=looked_up(frame["account_id"], accounts["segment"]),
        )
        if frame["region"].isna().all():
            frame["region"] = looked_up(frame["account_id"], accounts["region"])
        if frame["region"].isna().all():
            frame["region"] = self.of_owner(frame["owner"], "region")
        if leads is not None and frame["source"].isna().all():
            frame["source"] = looked_up(frame["lead_id"], leads.set_index("lead_id")["source"])
        return frame

    @cached_property
    def accounts_plain(self) -> pd.DataFrame:
        """account_id, name, segment and region as the accounts themselves state them."""
        return self._frame(self._view("accounts"), ("name", "segment", "region"))

    def of_owner(self, owners: pd.Series, column: str) -> pd.Series:
        """The team or region of owners."""
        return looked_up(owners, self.owners.set_index("owner")[column])
