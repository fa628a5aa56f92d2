"""Who works the entity, how that person has done so far, and how peers with the same value did."""

from __future__ import annotations

from features.definitions.declare import Catalogue, Definition
from features.schema import OUTCOMES, TABLES
from features.spine import FeatureSpec
from features.tables import Coded, Floats, Meta
from features.view import View

catalogue = Catalogue()
feature = catalogue.feature

PRIOR_WEIGHT = 20.0
"""How many closed cases the company's own rate counts for beside a seller's or a value's record."""


def _smoothed(view: View, by: str) -> Floats:
    """As-of rate of the scored outcome among closed peers, shrunk to the rate of all of them.

    (won + m * p) / (closed + m), the posterior mean of a Beta prior worth m closed cases.
    """
    won = view.peers(by, "closed_at", (("outcome", OUTCOMES[view.entity][0]),)).count()
    closed = view.peers(by, "closed_at").count()
    return (won + PRIOR_WEIGHT * _company_rate(view)) / (closed + PRIOR_WEIGHT)


def _company_rate(view: View) -> Floats:
    if "company_rate" not in view.kept:
        view.kept["company_rate"] = _rate_of_all(view)
    return view.kept["company_rate"]


def _rate_of_all(view: View) -> Floats:
    won, *lost = (view.closed_with(word).count() for word in OUTCOMES[view.entity])
    closed = sum(lost, won)
    return (won + 1.0) / (closed + 2.0)  # Laplace: a company without history is at one half


@feature(
    "leads deals accounts",
    "owners",
    "owner",
    kind="category",
    needs=["{entity}.owner_id"],
    title="Seller",
)
def owner(view: View) -> Coded:
    """The seller who works it."""
    return view.word("owner_id")


@feature(
    "leads deals accounts",
    "owners",
    "owner",
    kind="category",
    name="owner_{column}",
    needs=["{entity}.owner_id", "owners.{column}"],
    over={"column": ("team", "region")},
    title="Seller's {column}",
)
def owner_field(view: View, column: str) -> Coded:
    """The seller's {column}."""
    return view.tables["owners"].coded(column).take(view.row("owner_id", "owners"))


@feature(
    "leads deals",
    "{entity}",
    "owner",
    unit="share",
    needs=["{entity}.owner_id"],
    title="Share of the seller's closed cases that succeeded so far",
)
def owner_rate(view: View) -> Floats:
    """Share of the seller's closed cases that succeeded so far, shrunk to the company's share."""
    return _smoothed(view, "owner_id")


@feature(
    "leads deals",
    "{entity}",
    "owner",
    unit="cases",
    needs=["{entity}.owner_id"],
    title="Cases the seller closed in the last 90 days",
)
def owner_closed_90d(view: View) -> Floats:
    """Cases the seller closed in the last 90 days, either way."""
    return view.peers("owner_id", "closed_at").count(90)


@feature(
    "leads deals accounts",
    "{entity}",
    "owner_load",
    unit="cases",
    needs=["{entity}.owner_id"],
    own=True,
)
def owner_load(view: View) -> Floats:
    """Cases open with the seller."""
    return view.peers("owner_id").count() - view.peers("owner_id", "closed_at").count()


@feature(
    "leads deals",
    "{entity}",
    "account_history",
    unit="cases",
    name="account_{outcome}",
    needs=["{entity}.account_id"],
    over={"outcome": ("succeeded", "failed")},
)
def account_outcomes(view: View, outcome: str) -> Floats:
    """Earlier cases of the same account that {outcome}."""
    word = OUTCOMES[view.entity][0 if outcome == "succeeded" else 1]
    return view.peers("account_id", "closed_at", (("outcome", word),)).count()


@feature("leads deals", "{entity}", "account_history", unit="days", needs=["{entity}.account_id"])
def days_since_account_success(view: View) -> Floats:
    """Days since the same account last said yes."""
    word = OUTCOMES[view.entity][0]
    return view.peers("account_id", "closed_at", (("outcome", word),)).since_last()


@feature("leads deals", "{entity}", "account_history", unit="cases", needs=["{entity}.account_id"])
def account_open(view: View) -> Floats:
    """Open cases of the same account, this one included."""
    return view.peers("account_id").count() - view.peers("account_id", "closed_at").count()


def rated_columns(entity: str, meta: Meta) -> list[str]:
    """The entity's words whose values can carry a success rate of their own."""
    columns = [c.name for c in TABLES[entity].columns if c.kind == "category" and not c.mutable]
    custom = [f.name for f in meta.custom.get(entity, []) if f.kind == "category" and f.fixed]
    return [c for c in columns if c not in ("outcome", "currency")] + custom


def definitions(entity: str, meta: Meta) -> list[Definition]:
    """Time-safe success rates of the entity's own words (leads and deals)."""
    if entity == "accounts" or not meta.as_of:
        return []
    return [_rate(entity, column) for column in rated_columns(entity, meta)]


def _rate(entity: str, column: str) -> Definition:
    ours = TABLES[entity].column(column) is not None  # a title of its own; a company's is a blank
    named = "{field}" if not ours else column
    spec = FeatureSpec(
        name=f"{column}_rate",
        entity=entity,
        kind="number",
        meaning=f"Share of closed cases with the same {column} that succeeded so far, shrunk to "
        "the company's share",
        unit="share",
        source=entity,
        group=column,
        title=f"Share of closed cases with the same {named} that succeeded so far",
        fills={} if ours else {"field": column},
    )
    says = spec.meaning.replace(column, "{column}")
    return Definition(
        spec,
        (f"{entity}.{column}#many",),
        lambda view: _smoothed(view, column),
        "{column}_rate",
        says,
        {"column": rated_columns(entity, Meta())},
    )
