"""What customers have: contracts, renewals, payments, and deals before and now."""

from __future__ import annotations

import numpy as np

from features.asof import EventWindow, days_since, days_until, later, where
from features.definitions.declare import Catalogue
from features.definitions.money import column
from features.schema import OUTCOMES
from features.tables import DAY, NAT, Coded, Floats, Instants
from features.view import View, at_rows, instants_at

catalogue = Catalogue()
feature = catalogue.feature

CONTRACT = ["subscriptions.started_at"]
INVOICE = ["invoices.issued_at"]


@feature("accounts", "accounts", "tenure", unit="days", needs=["accounts.customer_at"])
def tenure(view: View) -> Floats:
    """Days since the account became a customer."""
    at = instants_at(view.tables["accounts"].instant("customer_at"), view.rows)
    return days_since(at, view.cutoffs)


def _started_less_ended(view: View, values: Floats) -> Floats:
    started, ended = view.seen("subscriptions"), view.seen("subscriptions", at="ended_at")
    return started.total(values) - ended.total(values)


@feature("accounts", "subscriptions", "contract", unit="contracts", needs=CONTRACT)
def contracts(view: View) -> Floats:
    """Contracts running."""
    ended = view.seen("subscriptions", at="ended_at")
    return view.seen("subscriptions").count() - ended.count()


@feature("accounts", "subscriptions", "contract", unit="contracts", needs=CONTRACT)
def contracts_ended(view: View) -> Floats:
    """Contracts ended so far."""
    return view.seen("subscriptions", at="ended_at").count()


@feature("accounts", "subscriptions", "contract", unit="products", needs=["subscriptions.product"])
def products(view: View) -> Floats:
    """Different products ever subscribed to."""
    product = view.tables["subscriptions"].coded("product")
    return view.seen("subscriptions").distinct(product.codes.astype(np.int64))


@feature(
    "accounts",
    "subscriptions",
    "contract",
    unit="money per month",
    needs=["subscriptions.mrr"],
    title="Recurring amount per month of the running contracts",
)
def mrr(view: View) -> Floats:
    """Recurring amount per month of the running contracts, in the reporting currency."""
    return _started_less_ended(view, column(view, "subscriptions", "mrr"))


@feature("accounts", "subscriptions", "contract", unit="seats", needs=["subscriptions.seats"])
def seats(view: View) -> Floats:
    """Paid seats of the running contracts."""
    return _started_less_ended(view, view.tables["subscriptions"].number("seats"))


@feature(
    "accounts",
    "subscriptions",
    "contract",
    kind="category",
    name="contract_{what}",
    needs=["subscriptions.{what}"],
    over={"what": ("product", "plan", "billing")},
    title=lambda what: f"{what.capitalize()} of the latest contract",
)
def contract_field(view: View, what: str) -> Coded:
    """The {what} of the latest contract."""
    return view.tables["subscriptions"].coded(what).take(view.seen("subscriptions").last())


@feature(
    "accounts", "subscriptions", "contract", unit="days", needs=CONTRACT, absent="No contract yet"
)
def contract_age(view: View) -> Floats:
    """Days since the latest contract began."""
    return view.seen("subscriptions").since_last()


@feature(
    "accounts",
    "subscriptions",
    "renewal",
    unit="days",
    needs=["subscriptions.term_days"],
    title="Days to the end of the running term of the latest contract",
)
def days_to_renewal(view: View) -> Floats:
    """Days to the end of the running term of the latest contract; terms follow one another."""
    rows = view.seen("subscriptions").last()
    term = at_rows(view.tables["subscriptions"].number("term_days"), rows)
    age = view.seen("subscriptions").since_last()
    # at the very end of a term the next one begins: 0 days left reads as a whole term
    return where(term > 0, term - age % where(term > 0, term, 1.0), np.nan)  # type: ignore[no-any-return]


@feature(
    "accounts",
    "subscriptions",
    "renewal",
    unit="days",
    needs=["subscriptions.renews_at"],
    title="Days to the end of the latest contract's first term",
)
def days_to_agreed_end(view: View) -> Floats:
    """Days to the end of the latest contract's first term; negative once it was renewed."""
    rows = view.seen("subscriptions").last()
    agreed = instants_at(view.tables["subscriptions"].instant("renews_at"), rows)
    return days_until(agreed, view.cutoffs)


@feature(
    "accounts",
    "invoices",
    "billing",
    unit="invoices",
    name="invoices_{days}d",
    needs=INVOICE,
    over={"days": (30, 90, 365)},
)
def invoices(view: View, days: int) -> Floats:
    """Invoices issued in the last {days} days."""
    return view.seen("invoices").count(days)


@feature(
    "accounts",
    "invoices",
    "billing",
    unit="money",
    name="invoiced_{days}d",
    needs=["invoices.amount"],
    over={"days": (30, 90, 365)},
    title="Amount invoiced in the last {days} days",
)
def invoiced(view: View, days: int) -> Floats:
    """Amount invoiced in the last {days} days, in the reporting currency."""
    return view.seen("invoices").total(column(view, "invoices", "amount"), days)


@feature(
    "accounts",
    "invoices",
    "billing",
    unit="money",
    needs=["invoices.amount"],
    title="Amount of the last invoice",
)
def last_invoice(view: View) -> Floats:
    """Amount of the last invoice in the reporting currency."""
    return at_rows(column(view, "invoices", "amount"), view.seen("invoices").last())


@feature("accounts", "invoices", "billing", unit="invoices", needs=INVOICE)
def invoices_so_far(view: View) -> Floats:
    """Invoices so far."""
    return view.seen("invoices").count()


@feature(
    "accounts",
    "invoices",
    "billing",
    unit="invoices",
    name="invoices_{days}d",
    needs=INVOICE,
    over={"days": (30, 90, 365)},
)
def invoices_lately(view: View, days: int) -> Floats:
    """Invoices in the last {days} days."""
    return view.seen("invoices").count(days)


@feature("accounts", "invoices", "billing", unit="ratio", needs=INVOICE)
def invoice_overdue_ratio(view: View) -> Floats:
    """Days since the last invoice per mean days from one invoice to the next."""
    seen = view.seen("invoices")
    between = _days_between(seen)
    return where(between > 0, seen.since_last() / where(between > 0, between, 1.0), np.nan)  # type: ignore[no-any-return]


@feature("accounts", "invoices", "billing", unit="days", needs=INVOICE, absent="No invoice yet")
def days_since_invoice(view: View) -> Floats:
    """Days since the last invoice."""
    return view.seen("invoices").since_last()


@feature(
    "accounts",
    "invoices",
    "billing",
    unit="days",
    needs=INVOICE,
    title="Mean days from one invoice to the next",
)
def days_between_invoices(view: View) -> Floats:
    """Mean days from one invoice to the next so far."""
    return _days_between(view.seen("invoices"))


def _days_between(seen: EventWindow) -> Floats:
    n = seen.count()
    spans = where(n > 1, n - 1, 1.0)
    return where(n > 1, (seen.since_first() - seen.since_last()) / spans, np.nan)  # type: ignore[no-any-return]


@feature("accounts", "invoices", "payment", unit="invoices", needs=["invoices.due_at"], own=True)
def overdue_invoices(view: View) -> Floats:
    """Invoices past their due date and not paid."""
    return view.seen("invoices", at="due_at").count() - view.settled_late().count()


@feature(
    "accounts",
    "invoices",
    "payment",
    unit="invoices",
    needs=["invoices.due_at"],
    title="Invoices paid late in the last 180 days",
)
def late_payments_180d(view: View) -> Floats:
    """Invoices settled after their due date in the last 180 days."""
    late = view.settled_late()
    table = view.tables["invoices"]
    days = _days_late(table.instant("due_at"), table.instant("paid_at"))
    return late.total((days > 0).astype(np.float64), 180)


@feature(
    "accounts",
    "invoices",
    "payment",
    unit="days",
    needs=["invoices.paid_at"],
    title="Mean days of delay in paying",
)
def mean_days_late(view: View) -> Floats:
    """Mean days from due date to payment over the payments so far; negative is early."""
    table = view.tables["invoices"]
    late = _days_late(table.instant("due_at"), table.instant("paid_at"))
    return view.seen("invoices", at="paid_at").mean(late)


def _days_late(due: Instants, paid: Instants) -> Floats:
    return np.where(later(due, paid) == NAT, np.nan, (paid - due) / DAY)


@feature(
    "accounts",
    "deals",
    "deals",
    unit="deals",
    name="deals_{outcome}",
    needs=["deals.account_id"],
    over={"outcome": OUTCOMES["deals"]},
)
def deals_closed(view: View, outcome: str) -> Floats:
    """Deals {outcome} so far."""
    return view.seen("deals", at="closed_at", where=(("outcome", outcome),)).count()


@feature("accounts", "deals", "deals", unit="deals", needs=["deals.account_id"], title="Open deals")
def deals_open(view: View) -> Floats:
    """Deals open."""
    return view.seen("deals").count() - view.seen("deals", at="closed_at").count()


@feature("accounts", "contacts", "contacts", unit="people", needs=["contacts.account_id"])
def contacts(view: View) -> Floats:
    """People known at the account."""
    return view.seen("contacts").count()
