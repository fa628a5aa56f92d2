"""What salespeople do, done over Tryton's own API: customers, opportunities, wins, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from examples.crm.server import Server
from features.connectors.http import Http
from features.connectors.tryton import Tryton

OPPORTUNITY = "model.sale.opportunity"
SALE = "model.sale.sale"


def money(amount: float) -> dict[str, str]:
    """An amount as Tryton's JSON has it."""
    return {"__class__": "Decimal", "decimal": f"{amount:.2f}"}


def day(at: date) -> dict[str, Any]:
    """A day as Tryton's JSON has it."""
    return {"__class__": "date", "year": at.year, "month": at.month, "day": at.day}


class Company:
    """One company in a Tryton. ``context`` is what its users' clients send along."""

    def __init__(self, server: Server) -> None:
        self.tryton = Tryton(Http(f"{server.url}/"), server.user, server.password)
        self.context: dict[str, Any] = {}
        self.company = self.currency = 0

    def call(self, method: str, *params: Any) -> Any:
        """A remote procedure in this company."""
        return self.tryton.call(method, *params, context=self.context)

    def found(self) -> None:
        """Make the company, its currency, and the user's place in it."""
        euro = {"name": "Euro", "code": "EUR", "symbol": "€", "digits": 2}
        (self.currency,) = self.call("model.currency.currency.create", [euro])
        (party,) = self.call("model.party.party.create", [{"name": "Demo Ltd"}])
        made = {"party": party, "currency": self.currency}
        (self.company,) = self.call("model.company.company.create", [made])
        mine = {"companies": [["add", [self.company]]], "company": self.company}
        self.call("model.res.user.write", [1], mine)
        self.context = {"company": self.company, "companies": [self.company]}

    def come_back(self) -> None:
        """Be the company that was founded earlier."""
        (one,) = self.tryton.search_read("company.company", [], ["currency"])
        self.company, self.currency = one["id"], one["currency"]
        self.context = {"company": self.company, "companies": [self.company]}

    def employees(self, names: Sequence[str]) -> list[int]:
        """People who sell."""
        parties = self.call("model.party.party.create", [{"name": n} for n in names])
        made = [{"party": p, "company": self.company} for p in parties]
        return list(self.call("model.company.employee.create", made))

    def customers(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Parties with an address."""
        made = [{**row, "addresses": [["create", [{"city": "Rome"}]]]} for row in rows]
        return list(self.call("model.party.party.create", made))

    def opportunities(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Opportunities in state lead: party, employee, amount, start_date and the own fields."""
        same = {"company": self.company, "currency": self.currency, "conversion_probability": 0.5}
        made = [
            {**same, **row, "amount": money(row["amount"]), "start_date": day(row["start_date"])}
            for row in rows
        ]
        return list(self.call(f"{OPPORTUNITY}.create", made))

    def change(self, ids: Sequence[int], values: Mapping[str, Any]) -> None:
        """Edit opportunities."""
        self.call(f"{OPPORTUNITY}.write", list(ids), dict(values))

    def qualify(self, ids: Sequence[int]) -> None:
        """From lead to opportunity."""
        self.call(f"{OPPORTUNITY}.opportunity", list(ids))

    def convert(self, ids: Sequence[int]) -> None:
        """From opportunity to converted: a sale is made of each."""
        self.call(f"{OPPORTUNITY}.convert", list(ids))

    def lose(self, ids: Sequence[int]) -> None:
        """Mark as lost; one that is a sale already is lost by cancelling the sale."""
        origins = [f"sale.opportunity,{i}" for i in ids]
        found = self.tryton.search_read("sale.sale", [["origin", "in", origins]], ["origin"])
        sold = {int(row["origin"].partition(",")[2]) for row in found}
        if found:
            self.call(f"{SALE}.cancel", [row["id"] for row in found])
        if rest := [i for i in ids if i not in sold]:
            self.call(f"{OPPORTUNITY}.lost", rest)

    def win(self, amounts: Mapping[int, float]) -> None:
        """Confirm the sales of converted opportunities at these amounts: they are won."""
        origins = [f"sale.opportunity,{i}" for i in amounts]
        found = self.tryton.search_read("sale.sale", [["origin", "in", origins]], ["origin"])
        sales = [row["id"] for row in found]
        pairs: list[Any] = []
        for row in found:
            amount = amounts[int(row["origin"].partition(",")[2])]
            line = {"quantity": 1, "unit_price": money(amount), "description": "as agreed"}
            pairs += [[row["id"]], {"lines": [["create", [line]]]}]
        self.call(f"{SALE}.write", *pairs)
        self.call(f"{SALE}.quote", sales)
        self.call(f"{SALE}.confirm", sales)

    def delete(self, ids: Sequence[int]) -> None:
        """Cancel opportunities, and then delete them."""
        self.call(f"{OPPORTUNITY}.cancel", list(ids))
        self.call(f"{OPPORTUNITY}.delete", list(ids))

    def note(self, ids: Sequence[int], text: str) -> None:
        """A note on each opportunity."""
        notes = [{"resource": f"sale.opportunity,{i}", "message": text} for i in ids]
        self.call("model.ir.note.create", notes)

    def probabilities(self, ids: Sequence[int]) -> dict[int, float]:
        """The conversion probability of opportunities."""
        where = [["id", "in", list(ids)]]
        found = self.tryton.search_read("sale.opportunity", where, ["conversion_probability"])
        return {row["id"]: row["conversion_probability"] for row in found}

    def read(self, opportunity: int) -> dict[str, Any]:
        """An opportunity as Tryton shows it, with its notes."""
        names = ["number", "description", "state", "amount", "conversion_probability", "party."]
        (shown,) = self.call(
            f"{OPPORTUNITY}.read", [opportunity], [*names[:-1], "party.name", "source"]
        )
        where = [["resource", "=", f"sale.opportunity,{opportunity}"]]
        notes = self.tryton.search_read("ir.note", where, ["message"])
        return {**shown, "notes": [n["message"] for n in notes]}
