"""The lists of the desk: which sheet, which columns, what they are filtered by."""

from __future__ import annotations

from dataclasses import dataclass

from serving.i18n.languages import mark as _
from serving.store.sheets import NUMBERS
from serving.web.query import ListColumn


@dataclass(frozen=True)
class Listing:
    """One list page. title and the others are ids of the pages' words.

    template  its page; word: what its word filter is called, "" for none; detail: the path of one
              row's page, with the row's fields in braces, "" for none; key: the field with its id
    """

    kind: str
    title: str
    lead: str
    template: str
    columns: tuple[ListColumn, ...]
    word: str = ""
    detail: str = ""
    key: str = ""

    @property
    def exported(self) -> tuple[ListColumn, ...]:
        """The columns of a download: the id first, so that it joins to the CRM."""
        if not self.key or any(c.name == self.key for c in self.columns):
            return self.columns
        return (ListColumn(self.key, "", "", "text"), *self.columns)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers it can be sorted by."""
        return NUMBERS[self.kind]

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
            _("Calls of today, by the value at risk in the next days; the largest first."),
            "calls.html",
            (
                ListColumn("rank", _("Rank"), "position", "number"),
                ListColumn("name", _("Name"), "label"),
                ListColumn("question", _("About"), "word", "word"),
                ListColumn("owner", _("Owner"), "owner", "owner"),
                ListColumn("probability", _("Chance"), "probability", "percent"),
                ListColumn("at_stake", _("At stake"), "at_stake", "money"),
                ListColumn(
                    "expected_value", _("Value at risk this week"), "expected_value", "money"
                ),
                ListColumn("todo", _("Next step and why"), "", "step"),
                ListColumn("state", _("Answer"), "", "answer"),
                ListColumn("why", _("Flags"), "", "flags"),
                ListColumn("stage", _("Stage")),
                ListColumn("last_touch_at", _("Last contact"), "", "date"),
                ListColumn("expected_close_at", _("Close date"), "", "date"),
            ),
            _("About"),
            "/records/{question}/{id}",
            "id",
        ),
        Listing(
            "scores",
            _("Scores"),
            _("Every open record with its score, the highest first."),
            "list.html",
            (
                ListColumn("name", _("Name"), "label"),
                ListColumn("question", _("About"), "word", "word"),
                ListColumn("owner", _("Owner"), "owner", "owner"),
                ListColumn("probability", _("Chance"), "probability", "percent"),
                ListColumn("grade", _("Grade")),
            ),
            _("About"),
            "/records/{question}/{id}",
            "id",
        ),
        Listing(
            "pipeline",
            _("Pipeline"),
            _("Open deals beside the history of their stage: what is stuck, and what it costs."),
            "pipeline.html",
            (
                ListColumn("name", _("Deal"), "label"),
                ListColumn("stage", _("Stage"), "word"),
                ListColumn("owner", _("Owner"), "owner", "owner"),
                ListColumn("amount", _("Amount"), "amount", "money"),
                ListColumn("probability", _("Chance"), "probability", "percent"),
                ListColumn("days_in_stage", _("Days in stage"), "days_in_stage", "days"),
                ListColumn("usual_days", _("Usual days"), "", "days"),
                ListColumn("pushes", _("Pushes"), "", "number"),
                ListColumn("expected_close_at", _("Close date"), "", "date"),
                ListColumn("why", _("Flags"), "", "flags"),
            ),
            _("Stage"),
            "/records/deal_close/{deal_id}",
            "deal_id",
        ),
        Listing(
            "moves",
            _("What changed"),
            _("Deals that moved in the last seven days."),
            "list.html",
            (
                ListColumn("name", _("Deal"), "label"),
                ListColumn("kind", _("Move"), "word", "word"),
                ListColumn("owner", _("Owner"), "owner", "owner"),
                ListColumn("amount", _("Amount"), "amount", "money"),
                ListColumn("before", _("Amount before"), "before", "money"),
                ListColumn("after", _("Amount after"), "after", "money"),
                ListColumn("due_then", _("Close date before"), "", "date"),
                ListColumn("due_now", _("Close date now"), "", "date"),
            ),
            _("Move"),
            "/records/deal_close/{deal_id}",
            "deal_id",
        ),
        Listing(
            "accounts",
            _("Accounts"),
            _("Customers by what they are worth, with what threatens and what is missing."),
            "accounts.html",
            (
                ListColumn("name", _("Account"), "label"),
                ListColumn("owner", _("Owner"), "owner", "owner"),
                ListColumn("segment", _("Segment"), "word"),
                ListColumn("fit", _("Fit")),
                ListColumn("engagement", _("Engagement"), "", "number"),
                ListColumn("risk", _("Risk"), "risk", "percent"),
                ListColumn("mrr", _("A month"), "mrr", "money"),
                ListColumn("value", _("Lifetime value"), "value", "money"),
                ListColumn("offer", _("Could offer"), "", "offer"),
                ListColumn("offer_chance", _("Chance of offer"), "", "percent"),
                ListColumn("offer_monthly", _("Offer a month"), "", "money"),
                ListColumn("next_step", _("Next step"), "", "why"),
            ),
            _("Segment"),
            "/accounts/{account_id}",
            "account_id",
        ),
        Listing(
            "quality",
            _("Data quality"),
            _("Records to fix, by owner: impossible values, duplicates, old and missing fields."),
            "quality.html",
            (
                ListColumn("kind", _("Kind"), "word", "word"),
                ListColumn("table", _("Table"), "", "word"),
                ListColumn("id", _("Key"), "label"),
                ListColumn("what", _("What"), "", "why"),
                ListColumn("why", _("Why"), "", "why"),
                ListColumn("owner_id", _("Owner"), "owner", "owner"),
            ),
            _("Kind"),
        ),
        Listing(
            "figures",
            _("Figures"),
            _("Every figure with its interval and the number of cases behind it."),
            "figures.html",
            (
                ListColumn("figure", _("Figure"), "word", "figure"),
                ListColumn("group", _("Of")),
                ListColumn("period", _("Period")),
                ListColumn("value", _("Value"), "value", "value"),
                ListColumn("low", _("From"), "", "value"),
                ListColumn("high", _("To"), "", "value"),
                ListColumn("unit", _("Unit"), "", "word"),
                ListColumn("n", _("Cases"), "n", "number"),
                ListColumn("warning", _("Note"), "", "flags"),
            ),
            _("Figure"),
        ),
        Listing(
            "territories",
            _("Territories"),
            _("Proposed owners, balanced. Nothing is applied by itself."),
            "territories.html",
            (
                ListColumn("id", _("Key"), "label"),
                ListColumn("table", _("Table"), "word", "word"),
                ListColumn("from", _("From owner"), "", "owner"),
                ListColumn("to", _("To owner"), "owner", "owner"),
                ListColumn("value", _("Value"), "value", "number"),
                ListColumn("state", _("Answer"), "", "answer"),
                ListColumn("why", _("Why"), "", "flags"),
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
    ("/scores", _("Scores")),
    ("/pipeline", _("Pipeline")),
    ("/accounts", _("Accounts")),
    ("/forecast", _("Forecast")),
    ("/figures", _("Figures")),
    ("/territories", _("Territories")),
    ("/quality", _("Data quality")),
    ("/models", _("Models")),
)
