"""The canonical CRM tables: columns, kinds, units, and when each fact became known.

Everything downstream (mapping, features, contract, glossary) reads this one declaration; a column
named anywhere else and not here is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["key", "ref", "category", "text", "number", "boolean", "instant"]
"""``ref`` is another table's key; ``text`` is shown to people and never becomes a feature.

An instant column whose values are all days without a time is a *date* column (``Meta.dates``): its
values stand for whole days of the company's zone, and a day is known when it has ended there.
"""

CUSTOM_KINDS: tuple[str, ...] = ("category", "number", "boolean", "instant", "date", "text")
"""What a mapping may call a custom field; a ``date`` is an instant column of ``Meta.dates``."""


@dataclass(frozen=True)
class Column:
    """One canonical column.

    ``mutable`` columns are edited while the entity lives: without a row in ``changes`` (or the
    mapping's word that they do not change) their past value is unknown and they give no feature.
    ``title`` is the short name of a column whose meaning is too long to stand before a value.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    references: str = ""
    mutable: bool = False
    required: bool = False
    title: str = ""

    @property
    def short(self) -> str:
        """The short name that people read."""
        return self.title or self.meaning


@dataclass(frozen=True)
class TableSchema:
    """One canonical table: its key, and the instant its rows begin to exist (``born``)."""

    name: str
    key: str
    born: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """The column called ``name``, or None."""
        return next((c for c in self.columns if c.name == name), None)


def _key(name: str, meaning: str) -> Column:
    return Column(name, "key", meaning, required=True)


def _ref(name: str, table: str, meaning: str) -> Column:
    return Column(name, "ref", meaning, references=table)


def _cat(name: str, meaning: str, mutable: bool = False, title: str = "") -> Column:
    return Column(name, "category", meaning, mutable=mutable, title=title)


def _text(name: str, meaning: str) -> Column:
    return Column(name, "text", meaning)


def _num(name: str, unit: str, meaning: str, mutable: bool = False, title: str = "") -> Column:
    return Column(name, "number", meaning, unit=unit, mutable=mutable, title=title)


def _at(name: str, meaning: str, mutable: bool = False, required: bool = False) -> Column:
    return Column(name, "instant", meaning, unit="UTC", mutable=mutable, required=required)


_AVAILABLE = _at("available_at", "when the system could first know the row; empty means at once")
_CURRENCY = _cat("currency", "ISO 4217 code of the row's amounts; empty means the reporting one")

TABLES: dict[str, TableSchema] = {
    t.name: t
    for t in (
        TableSchema(
            "accounts",
            "account_id",
            "created_at",
            (
                _key("account_id", "the company"),
                _at("created_at", "entered the CRM"),
                _AVAILABLE,
                _text("name", "the company's name"),
                _cat("industry", "line of business"),
                _cat("country", "country"),
                _cat("region", "sales region"),
                _cat("segment", "market segment"),
                _cat("tier", "service tier", mutable=True),
                _num("employees", "people", "number of employees"),
                _num("annual_revenue", "money", "yearly revenue of the company"),
                _CURRENCY,
                _ref("owner_id", "owners", "who looks after the account"),
                _at("customer_at", "became a customer"),
                _cat("outcome", "'churned' once the customer has left; empty while it stays"),
                _at("closed_at", "when the customer left"),
            ),
        ),
        TableSchema(
            "contacts",
            "contact_id",
            "created_at",
            (
                _key("contact_id", "the person"),
                _ref("account_id", "accounts", "the person's company"),
                _at("created_at", "entered the CRM"),
                _AVAILABLE,
                _text("name", "the person's name"),
                _text("email", "e-mail address"),
                _cat("title", "job title"),
                _cat("department", "department"),
                _cat("seniority", "seniority"),
                _cat("country", "country"),
                _cat("source", "where the person came from", title="source of the person"),
            ),
        ),
        TableSchema(
            "leads",
            "lead_id",
            "created_at",
            (
                _key("lead_id", "the lead"),
                _ref("contact_id", "contacts", "the person behind the lead"),
                _ref("account_id", "accounts", "the company behind the lead"),
                _ref("owner_id", "owners", "who works the lead"),
                _at("created_at", "entered the CRM"),
                _AVAILABLE,
                _text("name", "the lead's name"),
                _cat("source", "where the lead came from", title="source of the lead"),
                _cat("campaign", "campaign that brought the lead"),
                _cat("channel", "channel that brought the lead"),
                _cat(
                    "status", "stage of the lead's work", mutable=True, title="status of the lead"
                ),
                _cat("country", "country"),
                _cat("region", "sales region"),
                _cat("industry", "line of business"),
                _cat("title", "job title"),
                _num("employees", "people", "size of the lead's company"),
                _num("annual_revenue", "money", "yearly revenue of the lead's company"),
                _CURRENCY,
                _cat("outcome", "'converted' or 'disqualified'; empty while open"),
                _at("closed_at", "when the outcome happened"),
            ),
        ),
        TableSchema(
            "deals",
            "deal_id",
            "created_at",
            (
                _key("deal_id", "the deal"),
                _ref("account_id", "accounts", "the buying company"),
                _ref("contact_id", "contacts", "the main contact"),
                _ref("lead_id", "leads", "the lead the deal came from"),
                _ref("owner_id", "owners", "who works the deal"),
                _at("created_at", "entered the CRM"),
                _AVAILABLE,
                _text("name", "the deal's name"),
                _cat("type", "new business, renewal, extension", title="type of deal"),
                _cat("product", "main product"),
                _cat("source", "where the deal came from", title="source of the deal"),
                _cat("region", "sales region"),
                _cat("pipeline", "sales process"),
                _cat("stage", "stage in the sales process", mutable=True, title="stage"),
                _cat(
                    "forecast_category",
                    "people's own call: commit, best case …",
                    mutable=True,
                    title="forecast category",
                ),
                _num(
                    "probability",
                    "share",
                    "people's own probability, 0 to 1",
                    mutable=True,
                    title="probability stated by people",
                ),
                _num("amount", "money", "expected amount", mutable=True),
                _CURRENCY,
                _at("expected_close_at", "people's own close date", mutable=True),
                _cat("outcome", "'won' or 'lost'; empty while open"),
                _at("closed_at", "when the outcome happened"),
                _num("closed_amount", "money", "amount booked when won; known only then"),
            ),
        ),
        TableSchema(
            "changes",
            "change_id",
            "changed_at",
            (
                _key("change_id", "the change"),
                Column("entity", "category", "which table: leads, deals, accounts", required=True),
                Column("entity_id", "ref", "key of the changed row", required=True),
                Column(
                    "field", "category", "canonical or custom column that changed", required=True
                ),
                _text("value", "value from then on, as text"),
                _text("old_value", "value before, as text"),
                _at("changed_at", "when it changed", required=True),
                _AVAILABLE,
            ),
        ),
        TableSchema(
            "activities",
            "activity_id",
            "occurred_at",
            (
                _key("activity_id", "the activity"),
                _ref("lead_id", "leads", "the lead it belongs to"),
                _ref("deal_id", "deals", "the deal it belongs to"),
                _ref("account_id", "accounts", "the account it belongs to"),
                _ref("contact_id", "contacts", "the person it was with"),
                _ref("owner_id", "owners", "who did it"),
                _cat("kind", "call, email, meeting, web, form, task, note, usage, support, other"),
                _cat("direction", "'inbound' (they moved) or 'outbound' (we moved)"),
                _cat("outcome", "result, such as 'answered' or 'no show'"),
                _cat("channel", "channel"),
                _num("duration", "minutes", "how long it took"),
                _at("occurred_at", "when it happened", required=True),
                _AVAILABLE,
            ),
        ),
        TableSchema(
            "subscriptions",
            "subscription_id",
            "started_at",
            (
                _key("subscription_id", "the contract"),
                Column("account_id", "ref", "the customer", references="accounts", required=True),
                _cat("product", "product"),
                _cat("plan", "plan"),
                _cat("billing", "monthly or annual"),
                _num("mrr", "money per month", "recurring amount per month"),
                _num("seats", "seats", "paid seats"),
                _CURRENCY,
                _at("started_at", "when it began", required=True),
                _AVAILABLE,
                _at("renews_at", "end of the running term as agreed at the start"),
                _num("term_days", "days", "length of one term; renewals follow from the start"),
                _at("ended_at", "when it ended; empty while it runs"),
            ),
        ),
        TableSchema(
            "invoices",
            "invoice_id",
            "issued_at",
            (
                _key("invoice_id", "the invoice"),
                Column("account_id", "ref", "the customer", references="accounts", required=True),
                _ref("subscription_id", "subscriptions", "the contract it belongs to"),
                _num("amount", "money", "amount invoiced"),
                _CURRENCY,
                _at("issued_at", "when it was issued", required=True),
                _AVAILABLE,
                _at("due_at", "when it was to be paid"),
                _at("paid_at", "when it was paid; empty while open"),
            ),
        ),
        TableSchema(
            "owners",
            "owner_id",
            "started_at",
            (
                _key("owner_id", "the seller"),
                _text("name", "the seller's name"),
                _cat("team", "team"),
                _cat("region", "sales region"),
                _ref("manager_id", "owners", "the seller's manager"),
                _at("started_at", "when the seller joined"),
                _at("ended_at", "when the seller left"),
            ),
        ),
        TableSchema(
            "quotas",
            "quota_id",
            "period_start_at",
            (
                _key("quota_id", "the quota"),
                Column("owner_id", "ref", "the seller", references="owners", required=True),
                _at("period_start_at", "first instant of the period", required=True),
                _at("period_end_at", "first instant after the period", required=True),
                _num("amount", "money", "amount to be booked in the period"),
                _CURRENCY,
            ),
        ),
        TableSchema(
            "fx_rates",
            "rate_id",
            "rate_at",
            (
                _key("rate_id", "the rate"),
                Column("currency", "category", "ISO 4217 code", required=True),
                _at("rate_at", "from when it holds", required=True),
                _num("rate", "reporting currency per unit", "worth of one unit"),
            ),
        ),
    )
}

OUTCOMES: dict[str, tuple[str, ...]] = {
    "leads": ("converted", "disqualified"),
    "deals": ("won", "lost"),
    "accounts": ("churned",),
}
"""Competing outcomes of each entity table; the first is the one that is scored."""

QUESTIONS: dict[str, str] = {
    "lead_conversion": "leads",
    "deal_close": "deals",
    "churn": "accounts",
}
"""The questions every company asks, and the entity each is about; a mapping may add its own."""

ACTIVITY_KINDS = (
    "call",
    "email",
    "meeting",
    "web",
    "form",
    "task",
    "note",
    "usage",
    "support",
    "other",
)
"""The activity kinds with features of their own; a mapping sends every source kind to one."""

DIRECTIONS = ("inbound", "outbound")

LARGEST_NUMBER = 1e15
"""Beyond this a number is a typing error or an overflow, not a fact; it is read as missing."""
