"""The lists of the desk: which sheet, which columns, what they are filtered by."""

from __future__ import annotations

from dataclasses import dataclass

from serving.languages import mark as _
from serving.pages.query import Column


@dataclass(frozen=True)
class Listing:
    """One list page. title and the others are ids of the pages' words.

    template  its page; word: what its word filter is called, "" for none; detail: the path of one
              row's page, with the row's fields in braces, "" for none
    """

    kind: str
    title: str
    lead: str
    template: str
    columns: tuple[Column, ...]
    word: str = ""
    detail: str = ""

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/{self.kind}"


LISTINGS: dict[str, Listing] = {
    listing.kind: listing
    for listing in (
        Listing(
            "calls",
            _("Call list"),
            _("Where the next days matter most: what hangs on acting now, largest first."),
            "calls.html",
            (
                Column("rank", _("Rank"), "position", "number"),
                Column("name", _("Name"), "label"),
                Column("question", _("About"), "word", "word"),
                Column("owner", _("Owner"), "owner"),
                Column("probability", _("Chance"), "second", "percent"),
                Column("at_stake", _("At stake"), "third", "money"),
                Column("expected_value", _("Hangs on it"), "first", "money"),
                Column("todo", _("To do"), "", "why"),
                Column("why", _("Flags"), "", "flags"),
            ),
            _("About"),
            "/records/{question}/{id}",
        ),
        Listing(
            "pipeline",
            _("Pipeline"),
            _("Open deals beside the history of their stage: what is stuck, and what it costs."),
            "pipeline.html",
            (
                Column("name", _("Deal"), "label"),
                Column("stage", _("Stage"), "word"),
                Column("owner", _("Owner"), "owner"),
                Column("amount", _("Amount"), "first", "money"),
                Column("probability", _("Chance"), "third", "percent"),
                Column("days_in_stage", _("Days in stage"), "second", "days"),
                Column("usual_days", _("Usual days"), "", "days"),
                Column("pushes", _("Pushes"), "", "number"),
                Column("expected_close_at", _("Close date"), "", "date"),
                Column("why", _("Flags"), "", "flags"),
            ),
            _("Stage"),
            "/records/deal_close/{deal_id}",
        ),
        Listing(
            "accounts",
            _("Accounts"),
            _("Customers by what they are worth, with what threatens and what is missing."),
            "accounts.html",
            (
                Column("name", _("Account"), "label"),
                Column("owner", _("Owner"), "owner"),
                Column("segment", _("Segment"), "word"),
                Column("fit", _("Fit")),
                Column("engagement", _("Engagement"), "", "number"),
                Column("risk", _("Risk"), "second", "percent"),
                Column("mrr", _("A month"), "third", "money"),
                Column("value", _("Lifetime value"), "first", "money"),
                Column("offer", _("Could offer")),
                Column("next_step", _("Next step"), "", "why"),
            ),
            _("Segment"),
            "/accounts/{account_id}",
        ),
        Listing(
            "quality",
            _("Data quality"),
            _("What to mend, by owner: impossible rows, duplicates, stale and missing fields."),
            "quality.html",
            (
                Column("kind", _("Kind"), "word", "word"),
                Column("table", _("Table"), "", "word"),
                Column("id", _("Key"), "label"),
                Column("what", _("What"), "", "why"),
                Column("why", _("Why"), "", "why"),
                Column("owner_id", _("Owner"), "owner"),
            ),
            _("Kind"),
        ),
        Listing(
            "figures",
            _("Figures"),
            _("Every figure with its interval and the number of cases behind it."),
            "figures.html",
            (
                Column("figure", _("Figure"), "word", "figure"),
                Column("group", _("Of")),
                Column("period", _("Period")),
                Column("value", _("Value"), "first", "value"),
                Column("low", _("From"), "", "value"),
                Column("high", _("To"), "", "value"),
                Column("unit", _("Unit"), "", "word"),
                Column("n", _("Cases"), "second", "number"),
                Column("warning", _("Note"), "", "flags"),
            ),
            _("Figure"),
        ),
        Listing(
            "territories",
            _("Territories"),
            _("Proposed owners, balanced. Nothing is applied by itself."),
            "territories.html",
            (
                Column("id", _("Key"), "label"),
                Column("table", _("Table"), "word", "word"),
                Column("from", _("From owner")),
                Column("to", _("To owner"), "owner"),
                Column("value", _("Value"), "first", "number"),
                Column("why", _("Why"), "", "flags"),
            ),
            _("Table"),
            "/records/{question}/{id}",
        ),
    )
}
"""The lists in the order of the menu."""

MENU: tuple[tuple[str, str], ...] = (
    ("/", _("Today")),
    ("/calls", _("Call list")),
    ("/pipeline", _("Pipeline")),
    ("/accounts", _("Accounts")),
    ("/forecast", _("Forecast")),
    ("/figures", _("Figures")),
    ("/territories", _("Territories")),
    ("/quality", _("Data quality")),
    ("/models", _("Models")),
)

ENTITY = {"lead_conversion": "leads", "deal_close": "deals", "churn": "accounts"}
"""Question -> whose scores it is."""
