"""Made-up exports of CRMs that nobody named: written in other headings, languages and formats."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from features.draft.run import drafted
from features.draft.write import to_toml
from features.ingest.mapping import load
from features.ingest.run import ingest
from features.tables import Tables, read


@dataclass(frozen=True)
class Style:
    """How an export is written: headings by canonical name, words, dates, numbers, files."""

    headings: dict[str, str]
    words: dict[str, str]
    files: dict[str, str] = field(
        default_factory=lambda: {"deals": "deals", "accounts": "accounts"}
    )
    day: str = "%Y-%m-%d"
    decimal: str = "."
    thousands: str = ""
    delimiter: str = ","

    def number(self, value: float) -> str:
        """A number as the style writes it."""
        plain = f"{value:,.2f}" if self.thousands else f"{value:.2f}"
        return plain.replace(",", "\0").replace(".", self.decimal).replace("\0", self.thousands)


STYLES = {
    "zoho": Style(
        {
            **{"deal_id": "Record Id", "name": "Deal Name", "account_id": "Account Name.id"},
            **{"owner_id": "Deal Owner", "stage": "Stage", "amount": "Amount"},
            **{"created_at": "Created Time", "close": "Closing Date", "source": "Lead Source"},
            **{"acc_key": "Record Id", "acc_name": "Account Name", "industry": "Industry"},
            **{"employees": "Employees", "segment": "Segment"},
        },
        {"won": "Closed Won", "lost": "Closed Lost", "open": "Negotiation/Review"},
    ),
    "german": Style(
        {
            **{
                "deal_id": "Verkaufschance-Nr.",
                "name": "Bezeichnung",
                "account_id": "Kundennummer",
            },
            **{"owner_id": "Vertriebsmitarbeiter", "stage": "Phase", "amount": "Betrag"},
            **{"created_at": "Angelegt am", "close": "Abschlussdatum", "source": "Quelle"},
            **{"acc_key": "Kundennummer", "acc_name": "Firma", "industry": "Branche"},
            **{"employees": "Mitarbeiterzahl", "segment": "Segment"},
        },
        {"won": "Gewonnen", "lost": "Verloren", "open": "Angebot"},
        {"deals": "Verkaufschancen", "accounts": "Kunden"},
        "%d.%m.%Y",
        ",",
        ".",
        ";",
    ),
    "spanish": Style(
        {
            **{"deal_id": "ID oportunidad", "name": "Nombre", "account_id": "ID cliente"},
            **{"owner_id": "Comercial", "stage": "Etapa", "amount": "Importe"},
            **{"created_at": "Fecha de creación", "close": "Fecha de cierre", "source": "Origen"},
            **{"acc_key": "ID cliente", "acc_name": "Nombre", "industry": "Sector"},
            **{"employees": "Empleados", "segment": "Segmento"},
        },
        {"won": "Ganada", "lost": "Perdida", "open": "Propuesta"},
        {"deals": "oportunidades", "accounts": "clientes"},
        "%d/%m/%Y",
        ",",
        "",
        ";",
    ),
    "italian": Style(
        {
            **{"deal_id": "Codice trattativa", "name": "Titolo", "account_id": "Codice cliente"},
            **{"owner_id": "Venditore", "stage": "Fase", "amount": "Importo"},
            **{"created_at": "Data creazione", "close": "Data chiusura", "source": "Provenienza"},
            **{"acc_key": "Codice cliente", "acc_name": "Ragione sociale", "industry": "Settore"},
            **{"employees": "Dipendenti", "segment": "Segmento"},
        },
        {"won": "Vinta", "lost": "Persa", "open": "Offerta inviata"},
        {"deals": "trattative", "accounts": "aziende"},
        "%d/%m/%Y %H:%M",
        ",",
    ),
    "american": Style(
        {
            **{"deal_id": "opp_no", "name": "topic", "account_id": "customer_no"},
            **{"owner_id": "sales_rep", "stage": "sales_stage", "amount": "deal_value_usd"},
            **{"created_at": "opened_on", "close": "close_dt", "source": "lead_src_source"},
            **{"acc_key": "customer_no", "acc_name": "customer_name", "industry": "vertical"},
            **{"employees": "no_of_employees", "segment": "segment"},
        },
        {"won": "WON", "lost": "LOST", "open": "in progress"},
        {"deals": "opps_2024", "accounts": "customers"},
        "%m/%d/%Y",
    ),
}


@dataclass(frozen=True)
class Deal:
    """One deal of the company behind every style."""

    deal_id: str
    account_id: str
    owner_id: str
    source: str
    amount: float
    created: date
    close: date
    outcome: str


def company(seed: int = 7, deals: int = 120) -> tuple[list[Deal], list[dict[str, str]]]:
    """Deals and accounts, in canonical words; the close date of an open deal is a plan."""
    rng = np.random.default_rng(seed)
    accounts = [
        {
            "acc_key": f"C{1000 + i}",
            "acc_name": f"Company {i}",
            "industry": str(rng.choice(["retail", "health", "energy"])),
            "employees": str(int(rng.integers(5, 5000))),
            "segment": str(rng.choice(["small", "large"])),
        }
        for i in range(30)
    ]
    made = []
    for i in range(deals):
        created = date(2023, 1, 2) + timedelta(days=int(rng.integers(0, 500)))
        made.append(
            Deal(
                f"D{5000 + i}",
                str(rng.choice([a["acc_key"] for a in accounts])),
                str(rng.choice(["Ana Ruiz", "Bo Lind", "Cy Park"])),
                str(rng.choice(["web", "fair", "partner"])),
                round(float(rng.lognormal(8, 1)), 2),
                created,
                created + timedelta(days=int(rng.integers(5, 200))),
                str(rng.choice(["won", "lost", "open"], p=[0.35, 0.4, 0.25])),
            )
        )
    return made, accounts


def written(style: Style, folder: Path, seed: int = 7) -> list[Deal]:
    """Write the company as a style's export; its deals."""
    deals, accounts = company(seed)
    h = style.headings
    rows = [
        {
            h["deal_id"]: d.deal_id,
            h["name"]: f"Offer {d.deal_id[1:]} for {d.account_id}",
            h["account_id"]: d.account_id,
            h["owner_id"]: d.owner_id,
            h["stage"]: style.words[d.outcome],
            h["amount"]: style.number(d.amount),
            h["created_at"]: _day(d.created, style),
            h["close"]: _day(d.close, style),
            h["source"]: d.source,
        }
        for d in deals
    ]
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / f"{style.files['deals']}.csv", rows, style.delimiter)
    plain = [{h[k]: v for k, v in a.items()} for a in accounts]
    save(folder / f"{style.files['accounts']}.csv", plain, style.delimiter)
    return deals


def _day(day: date, style: Style) -> str:
    at = datetime(day.year, day.month, day.day, 9 if "%H" in style.day else 0, tzinfo=UTC)
    return at.strftime(style.day)


def save(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> None:
    """Rows as a CSV file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8")


def draft_text(data: Path) -> str:
    """The drafted TOML of an export."""
    return to_toml(drafted(data))


def read_back(data: Path, folder: Path) -> Tables:
    """The canonical tables that the draft of an export reads."""
    path = folder / "draft.toml"
    path.write_text(draft_text(data), encoding="utf-8")
    load(path)
    report = ingest(data, path, folder / "canonical")
    assert report.balanced(), report.to_json()
    return read(folder / "canonical")
