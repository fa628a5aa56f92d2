"""What happened with the entity: calls, e-mails, meetings, visits, and when."""

from __future__ import annotations

import numpy as np

from features.definitions.declare import Catalogue
from features.schema import ACTIVITY_KINDS, DIRECTIONS
from features.tables import DAY, NAT, Coded, Floats
from features.view import View

catalogue = Catalogue()
feature = catalogue.feature

EVERY = "leads deals accounts"
WINDOWS = (7, 30, 90)
ONE = {
    "call": "call",
    "email": "e-mail",
    "meeting": "meeting",
    "web": "web visit",
    "form": "form",
    "task": "task",
    "note": "note",
    "usage": "use of the product",
    "support": "support case",
    "other": "other activity",
}
"""One activity of each kind."""
MANY = {
    "call": "Calls",
    "email": "E-mails",
    "meeting": "Meetings",
    "web": "Web visits",
    "form": "Forms",
    "task": "Tasks",
    "note": "Notes",
    "usage": "Uses of the product",
    "support": "Support cases",
    "other": "Other activities",
}
"""All activities of each kind, at the head of a title."""


@feature(
    EVERY,
    "activities",
    "activity",
    unit="activities",
    name="activities_{days}d",
    needs=["activities.occurred_at"],
    own=True,
    over={"days": WINDOWS},
)
def activities(view: View, days: int) -> Floats:
    """Activities in the last {days} days."""
    return view.tally().count(days=days)


@feature(
    EVERY, "activities", "activity", unit="activities", needs=["activities.occurred_at"], own=True
)
def activities_total(view: View) -> Floats:
    """Activities so far."""
    return view.tally().count()


@feature(
    EVERY,
    "activities",
    "activity",
    unit="activities",
    needs=["activities.occurred_at"],
    own=True,
    title="Activities of the last 30 days less those of the 30 before",
)
def activity_trend(view: View) -> Floats:
    """Activities of the last 30 days less those of the 30 days before."""
    tally = view.tally()
    return 2 * tally.count(days=30) - tally.count(days=60)


@feature(
    EVERY,
    "activities",
    "activity_recency",
    unit="days",
    needs=["activities.occurred_at"],
    own=True,
    absent="No activity yet",
)
def days_since_activity(view: View) -> Floats:
    """Days since the last activity."""
    return view.tally().since_last()


@feature(
    EVERY,
    "activities",
    "activity_recency",
    unit="days",
    needs=["activities.occurred_at"],
    absent="No activity yet",
)
def days_since_first_activity(view: View) -> Floats:
    """Days since the first activity."""
    return view.seen("activities").since_first()


@feature(
    EVERY,
    "activities",
    "activity",
    unit="days",
    needs=["activities.occurred_at"],
    own=True,
    title="Days with an activity in the last 30 days",
)
def active_days_30d(view: View) -> Floats:
    """Different days with an activity in the last 30 days."""
    at = view.tables["activities"].instant("occurred_at")
    return view.seen("activities").distinct(np.where(at == NAT, -1, at // DAY), 30)


@feature(EVERY, "activities", "activity", unit="kinds", needs=["activities.kind"], own=True)
def activity_kinds(view: View) -> Floats:
    """Different kinds of activity so far."""
    return view.seen("activities").distinct(
        view.tables["activities"].coded("kind").codes.astype(np.int64)
    )


@feature(EVERY, "activities", "last_activity", kind="category", needs=["activities.kind"])
def last_activity_kind(view: View) -> Coded:
    """Kind of the last activity."""
    return view.tables["activities"].coded("kind").take(view.seen("activities").last())


@feature(EVERY, "activities", "last_activity", kind="category", needs=["activities.outcome"])
def last_activity_outcome(view: View) -> Coded:
    """Result of the last activity."""
    return view.tables["activities"].coded("outcome").take(view.seen("activities").last())


@feature(
    EVERY,
    "activities",
    "{kind}",
    unit="activities",
    name="{kind}_{days}d",
    needs=["activities.kind={kind}"],
    own=True,
    over={"kind": ACTIVITY_KINDS, "days": WINDOWS},
    title=lambda kind: f"{MANY[kind]} in the last {{days}} days",
)
def of_kind(view: View, kind: str, days: int) -> Floats:
    """Activities of kind {kind} in the last {days} days."""
    return view.tally("kind").count(kind, days)


@feature(
    EVERY,
    "activities",
    "{kind}",
    unit="activities",
    name="{kind}_total",
    needs=["activities.kind={kind}"],
    own=True,
    over={"kind": ACTIVITY_KINDS},
    title=lambda kind: f"{MANY[kind]} so far",
)
def of_kind_total(view: View, kind: str) -> Floats:
    """Activities of kind {kind} so far."""
    return view.tally("kind").count(kind)


@feature(
    EVERY,
    "activities",
    "{kind}",
    unit="days",
    name="days_since_{kind}",
    needs=["activities.kind={kind}"],
    own=True,
    over={"kind": ACTIVITY_KINDS},
    title=lambda kind: f"Days since the last {ONE[kind]}",
    absent=lambda kind: f"No {ONE[kind]} yet",
)
def since_kind(view: View, kind: str) -> Floats:
    """Days since the last activity of kind {kind}."""
    return view.tally("kind").since_last(kind)


@feature(
    EVERY,
    "activities",
    "{direction}",
    unit="activities",
    name="{direction}_{days}d",
    needs=["activities.direction={direction}"],
    own=True,
    over={"direction": DIRECTIONS, "days": (7, 30)},
    title=lambda direction: f"{direction.capitalize()} activities in the last {{days}} days",
)
def in_direction(view: View, direction: str, days: int) -> Floats:
    """Activities that were {direction} in the last {days} days."""
    return view.tally("direction").count(direction, days)


@feature(
    EVERY,
    "activities",
    "{direction}",
    unit="days",
    name="days_since_{direction}",
    needs=["activities.direction={direction}"],
    own=True,
    over={"direction": DIRECTIONS},
    title="Days since the last {direction} activity",
    absent="No {direction} activity yet",
)
def since_direction(view: View, direction: str) -> Floats:
    """Days since the last activity that was {direction}."""
    return view.tally("direction").since_last(direction)


@feature(
    EVERY,
    "activities",
    "activity",
    unit="minutes",
    name="activity_minutes_{days}d",
    needs=["activities.duration"],
    own=True,
    over={"days": (30, 90)},
)
def minutes(view: View, days: int) -> Floats:
    """Minutes spent in activities of the last {days} days."""
    return view.seen("activities").total(view.tables["activities"].number("duration"), days)


@feature(
    "leads deals",
    "activities",
    "account_activity",
    unit="activities",
    name="account_activities_{days}d",
    needs=["activities.account_id", "{entity}.account_id"],
    own=True,
    over={"days": (30, 90)},
)
def at_account(view: View, days: int) -> Floats:
    """Activities anywhere at the account in the last {days} days."""
    return view.seen("activities", by="account_id", ref="account_id").count(days)


@feature(
    "leads deals",
    "activities",
    "account_activity",
    unit="days",
    needs=["activities.account_id", "{entity}.account_id"],
    own=True,
)
def days_since_account_activity(view: View) -> Floats:
    """Days since the last activity anywhere at the account."""
    return view.seen("activities", by="account_id", ref="account_id").since_last()
