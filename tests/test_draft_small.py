"""Small exports in the ways people write them: drafted, read, and compared cell for cell.

Each situation is a handful of rows of one kind of trouble (formats, ids, currencies, files); the
draft alone must read it right, or ask.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.draft.run import drafted
from features.draft.write import to_toml
from features.ingest.run import ingest
from tests.helpers.workbooks import workbook

Cells = dict[str, dict[str, list[Any]]]


@dataclass(frozen=True)
class Situation:
    """Files by name, the cells they must become by table and column, and what must be asked."""

    files: dict[str, str | bytes]
    cells: Cells
    asks: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)


def packed(files: dict[str, str]) -> bytes:
    """A zip of text files."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return held.getvalue()


at = datetime.fromisoformat

SITUATIONS: dict[str, Situation] = {
    "spanish_amounts_and_days": Situation(
        {
            "oportunidades.csv": (
                "Nº;Cuenta;Alta;Cierre;Importe;Estado\n"
                "1;ACME;05/01/2025;14/02/2025;1.200,50 €;Ganada\n"
                "2;Beta;06/01/2025;28/02/2025;(800,00);Perdida\n"
                "3;Beta;07/01/2025;;1.000,00-;Abierta\n"
            )
        },
        {
            "deals": {
                "deal_id": ["1", "2", "3"],
                "account_id": ["ACME", "Beta", "Beta"],
                "amount": [1200.5, -800.0, -1000.0],
                "outcome": ["won", "lost", None],
                "closed_at": ["2025-02-14", "2025-02-28", None],
                "created_at": ["2025-01-05", "2025-01-06", "2025-01-07"],
            }
        },
    ),
    "tie_of_day_and_month": Situation(
        {
            "deals.csv": (
                "id,created,closed,amount,state\n"
                "A,01/02/2025,03/04/2025,10,won\nB,02/03/2025,05/06/2025,20,lost\n"
                "C,04/05/2025,,30,open\n"
            )
        },
        {},
        asks=("whether the day or the month comes first",),
    ),
    "tie_settled_by_another_column": Situation(
        {
            "deals.csv": (
                "id,created,closed,amount,state\n"
                "A,01/02/2025,13/04/2025,10,won\nB,02/03/2025,05/06/2025,20,lost\n"
                "C,04/05/2025,,30,open\n"
            )
        },
        {"deals": {"created_at": ["2025-02-01", "2025-03-02", "2025-05-04"]}},
    ),
    "serial_days_in_italian": Situation(
        {
            "trattative.csv": (
                "Codice;Creato il;Chiuso il;Valore;Esito\n"
                "T1;45672,4375;45730;100;Vinta\nT2;45680;45750;200;Persa\nT3;45700;;300;Aperta\n"
            )
        },
        {
            "deals": {
                "created_at": ["2025-01-15 10:30", "2025-01-23", "2025-02-12"],
                "closed_at": ["2025-03-14", "2025-04-03", None],
                "outcome": ["won", "lost", None],
            }
        },
    ),
    "epoch_milliseconds": Situation(
        {
            "deals.csv": (
                "id,create_time,close_time,value,status\n"
                "1,1736899200000,1739577600000,10,won\n2,1736985600000,1739664000000,20,lost\n"
            )
        },
        {
            "deals": {
                "created_at": ["2025-01-15", "2025-01-16"],
                "closed_at": ["2025-02-15", "2025-02-16"],
            }
        },
    ),
    "cents_and_pounds": Situation(
        {
            "invoices.csv": (
                "invoice no,customer,invoice date,amount (cents),currency\n"
                "R1,C1,2025-01-05,120050,GBP\nR2,C1,2025-02-05,-5000,GBP\nR3,C2,2025-02-06,1,GBP\n"
            )
        },
        {
            "invoices": {
                "account_id": ["C1", "C1", "C2"],
                "amount": [1200.5, -50.0, 0.01],
                "currency": ["GBP"] * 3,
            }
        },
    ),
    "reais_in_cells": Situation(
        {
            "negocios.csv": (
                "Código;Cliente;Criado em;Fechado em;Valor;Situação\n"
                "N1;X;03/01/2025;20/02/2025;R$ 3.000;Ganho\n"
                "N2;Y;04/01/2025;21/02/2025;R$ 1.767,34;Perdido\n"
                "N3;X;05/01/2025;;R$ 12,00;Aberto\n"
            )
        },
        {
            "deals": {
                "amount": [3000.0, 1767.34, 12.0],
                "outcome": ["won", "lost", None],
                "created_at": ["2025-01-03", "2025-01-04", "2025-01-05"],
            }
        },
        extra={"currency": "BRL"},
    ),
    "currency_words_beside": Situation(
        {
            "deals.csv": (
                "id,created,closed,amount,ccy,state\n"
                "1,2025-01-03,2025-02-01,100,eur,won\n2,2025-01-04,2025-02-02,200,Euro,lost\n"
                "3,2025-01-05,,300,EUR,open\n"
            )
        },
        {"deals": {"currency": ["EUR", "EUR", "EUR"], "amount": [100.0, 200.0, 300.0]}},
    ),
    "rates_per_unit_of_home": Situation(
        {
            "deals.csv": (
                "id,created,closed,amount,currency,state\n"
                "1,2025-01-03,2025-02-01,1080,USD,won\n2,2025-01-04,2025-02-02,200,EUR,won\n"
            ),
            "exchange_rates.csv": (
                "currency,date,rate\nUSD,2025-01-01,1.08\nEUR,2025-01-01,1\nGBP,2025-01-01,0.84\n"
            ),
        },
        {"deals": {"currency": ["USD", "EUR"]}},
        extra={"currency": "EUR"},
        asks=("rate",),
    ),
    "talk_times": Situation(
        {
            "leads.csv": "id,created\nL1,2025-01-01\nL2,2025-01-02\n",
            "calls.csv": (
                "call_id,lead_id,started,talk duration\n"
                "c1,L1,2025-01-05 10:00,00:15:30\nc2,L1,2025-01-06 10:00,1h30\n"
                "c3,L2,2025-01-07 10:00,PT45M\nc4,L2,2025-01-08 10:00,45\n"
                "c5,L2,2025-01-09 10:00,2 h 5 min\n"
            ),
        },
        {
            "activities": {
                "lead_id": ["L1", "L1", "L2", "L2", "L2"],
                "kind": ["call"] * 5,
                "duration": [15.5, 90.0, 45.0, 45.0, 125.0],
            }
        },
    ),
    "ids_as_floats_and_emails": Situation(
        {
            "contacts.csv": (
                "contact id,e-mail,created\n7,Ann@X.com,2025-01-01\n8,bob@x.com,2025-01-02\n"
            ),
            "deals.csv": (
                "deal id,contact id,opened,closed,value,status\n"
                "1,7.0,2025-01-03,2025-02-01,100,won\n2,8.0,2025-01-04,2025-02-02,200,lost\n"
                "3,,2025-01-05,,300,open\n"
            ),
        },
        {"deals": {"contact_id": ["7", "8", None]}},
    ),
    "salesforce_ids_of_both_lengths": Situation(
        {
            "kunden.csv": (
                "Kundennr.;Firma;Branche\n001D000000IqhSL;A GmbH;Bau\n001D000000IqhSM;B AG;IT\n"
            ),
            "chancen.csv": (
                "Chance-Nr.;Kundennr.;Angelegt am;Abgeschlossen am;Betrag;Status\n"
                "1;001D000000IqhSLIAZ;03.01.2025;20.02.2025;100;gewonnen\n"
                "2;001D000000IqhSM;04.01.2025;21.02.2025;200;verloren\n"
            ),
        },
        {
            "deals": {
                "account_id": ["001D000000IqhSL", "001D000000IqhSM"],
                "outcome": ["won", "lost"],
            }
        },
    ),
    "odoo_false": Situation(
        {
            "res.partner.csv": "id,name,create_date\n11,A,2024-01-01\n12,B,2024-01-02\n",
            "crm.lead.csv": (
                "id,partner_id/id,create_date,date_closed,expected_revenue,won_status\n"
                "1,11,2025-01-05,2025-03-01,100,won\n2,False,2025-01-06,2025-03-02,200,lost\n"
                "3,False,2025-01-07,False,300,pending\n4,12,2025-01-08,False,400,pending\n"
            ),
        },
        {
            "deals": {
                "account_id": ["11", None, None, "12"],
                "closed_at": ["2025-03-01", "2025-03-02", None, None],
                "amount": [100.0, 200.0, 300.0, 400.0],
            }
        },
    ),
    "lines_below_an_order": Situation(
        {
            "pedidos.csv": (
                "Pedido;Cliente;Fecha;Artículo;Importe línea\n"
                "P1;C1;05/01/2025;Base;100,00\n;;;Extra;50,50\nP2;C2;15/02/2025;Pro;400,00\n"
                ";;;Alta;80,00\n"
            )
        },
        {
            "invoices": {
                "invoice_id": ["P1", "P2"],
                "account_id": ["C1", "C2"],
                "amount": [150.5, 480.0],
            }
        },
    ),
    "companies_in_one_cell": Situation(
        {
            "companies.csv": "Record ID,Name,Industry\n71,A,Retail\n72,B,Banking\n",
            "deals.csv": (
                "Record ID,Create date,Close date,Amount,Status,Company ID\n"
                "1,2025-01-05,2025-03-01,100,Won,71;72\n2,2025-01-06,2025-03-02,200,Lost,72\n"
                "3,2025-01-07,,300,Open,71\n"
            ),
        },
        {"deals": {"account_id": ["71", "72", "71"]}},
    ),
    "placeholders": Situation(
        {
            "leads.csv": (
                "Lead ID,Created,Source,Employees,Status,Converted on\n"
                "1,2025-01-05,N/A,12,Converted,2025-02-01\n2,2025-01-06,Web,null,Open,-\n"
                "3,2025-01-07,Web,-,Open,0000-00-00\n4,2025-01-08,Fair,30,Converted,2025-02-09\n"
            )
        },
        {
            "leads": {
                "source": [None, "Web", "Web", "Fair"],
                "employees": [12.0, None, None, 30.0],
                "outcome": ["converted", None, None, "converted"],
                "closed_at": ["2025-02-01", None, None, "2025-02-09"],
            }
        },
    ),
    "utf16_without_a_mark": Situation(
        {
            "geschäfte.txt": (
                "Nr.\tErstellt\tGeschlossen\tBetrag\tStatus\n"
                "G1\t03.01.2025\t20.02.2025\t1.200,00\tgewonnen\n"
                "Gü\t04.01.2025\t21.02.2025\t800,00\tverloren\n"
            ).encode("utf-16-le")
        },
        {"deals": {"deal_id": ["G1", "Gü"], "amount": [1200.0, 800.0]}},
    ),
    "hint_for_excel": Situation(
        {
            "deals.csv": (
                "sep=;\r\nid;created;closed;amount;state\r\n"
                "D1;2025-01-03;2025-02-01;'-70,00;won\r\nD2;2025-01-10;2025-03-01;800,00;lost\r\n"
            )
        },
        {"deals": {"deal_id": ["D1", "D2"], "amount": [-70.0, 800.0]}},
    ),
    "zip_of_two_files": Situation(
        {
            "export.zip": packed(
                {
                    "all-companies.csv": "id,name,industry\n71,A,Retail\n72,B,Banking\n",
                    "all-deals.csv": (
                        "id,company id,created,closed,amount,status\n"
                        "1,71,2025-01-03,2025-02-01,10,won\n2,72,2025-01-04,2025-02-02,20,lost\n"
                    ),
                }
            )
        },
        {"deals": {"account_id": ["71", "72"]}, "accounts": {"industry": ["Retail", "Banking"]}},
    ),
    "spreadsheet_of_two_sheets": Situation(
        {
            "export.xlsx": workbook(
                {
                    "Companies": [["id", "name"], [71, "A"], [72, "B"]],
                    "Deals": [
                        ["id", "company id", "created", "closed", "amount", "status"],
                        [1, 71, at("2025-01-03 00:00"), at("2025-02-01 08:00"), 10.5, "won"],
                        [2, 72, at("2025-01-04 00:00"), at("2025-02-02 09:00"), 20, "lost"],
                    ],
                }
            )
        },
        {
            "deals": {"account_id": ["71", "72"], "amount": [10.5, 20.0]},
            "accounts": {"account_id": ["71", "72"]},
        },
    ),
    "every_lost_deal_undated": Situation(
        {
            "deals.csv": "id,created,closed,amount,state\n"
            + "".join(f"W{i},2025-01-{i + 1:02},2025-02-{i + 1:02},10,won\n" for i in range(9))
            + "".join(f"L{i},2025-01-{i + 1:02},,10,lost\n" for i in range(18))
        },
        {},
        asks=("no day of the end",),
        warns=("all 18 lost deals are rejected",),
    ),
    "returns_after_churn": Situation(
        {
            "clientes.csv": "id cliente;alta\nA1;2024-01-01\nA2;2024-01-01\n",
            "suscripciones.csv": (
                "id;cliente;cuota mensual;inicio;fin\n"
                "S1;A1;10;01.02.2024;15.08.2024\nS2;A1;20;01.02.2025;\nS3;A2;30;01.02.2024;\n"
            ),
        },
        {
            "subscriptions": {
                "account_id": ["A1", "A1", "A2"],
                "mrr": [10.0, 20.0, 30.0],
                "started_at": ["2024-02-01", "2025-02-01", "2024-02-01"],
                "ended_at": ["2024-08-15", None, None],
            }
        },
    ),
    "contract_of_no_length": Situation(
        {
            "accounts.csv": "id,created\nA1,2024-01-01\nA2,2024-01-01\n",
            "contracts.csv": (
                "contract id,customer id,monthly fee,start date,end date\n"
                "S1,A1,10,2024-02-01,2024-02-01\nS2,A2,20,2024-02-01,\n"
            ),
        },
        {"subscriptions": {"subscription_id": ["S2"], "mrr": [20.0]}},
        warns=("they are no memberships",),
    ),
    "targets_of_a_team_and_its_people": Situation(
        {
            "users.csv": "user id,name,team,manager id\nM,Boss,N,\nR1,Ann,N,M\nR2,Bob,N,M\n",
            "targets.csv": (
                "user id,from,to,target\nM,2025-01-01,2025-04-01,150\n"
                "R1,2025-01-01,2025-04-01,90\nR2,2025-01-01,2025-04-01,60\n"
            ),
        },
        {
            "quotas": {"owner_id": ["M", "R1", "R2"], "amount": [150.0, 90.0, 60.0]},
            "owners": {"manager_id": [None, "M", "M"]},
        },
        warns=("they count once",),
    ),
    "closed_twice": Situation(
        {
            "deals.csv": (
                "deal id,created,status,value\nO1,2025-01-05,Won,10\nO2,2025-01-06,Lost,20\n"
                "O3,2025-01-07,Open,30\n"
            ),
            "deal_closings.csv": (
                "deal id,closed on,result\nO1,2025-05-20,Won\nO1,2025-02-10,Lost\n"
                "O2,2025-02-01,Won\nO2,2025-04-01,Lost\nO3,2025-03-01,Lost\n"
            ),
        },
        {
            "deals": {
                "closed_at": ["2025-05-20", "2025-04-01", None],
                "outcome": ["won", "lost", None],
            }
        },
    ),
    "two_digit_years_and_four": Situation(
        {
            "deals.csv": (
                "id;opened;closed;amount;state\nD1;26.06.24;03.08.24;1;won\n"
                "D2;01.02.2025;26.03.2025;2;lost\nD3;05.05.25;;3;open\n"
            )
        },
        {
            "deals": {
                "created_at": ["2024-06-26", "2025-02-01", "2025-05-05"],
                "closed_at": ["2024-08-03", "2025-03-26", None],
            }
        },
    ),
    "american_clock": Situation(
        {
            "activities.csv": (
                "id,deal,when,type\na1,D1,1/15/2025 3:27 PM,Call\na2,D1,2/5/2025 12:05 AM,Email\n"
            ),
            "deals.csv": "id,created,closed,amount,state\nD1,2025-01-03,,1,open\n"
            "D2,2025-01-03,2025-02-02,1,won\n",
        },
        {"activities": {"occurred_at": ["2025-01-15 15:27", "2025-02-05 00:05"]}},
    ),
    "spaces_and_capitals": Situation(
        {
            "leads.csv": (
                "id,created,source,status,closed\n1,2025-01-01,Referral ,Converted,2025-02-01\n"
                "2,2025-01-02,referral,converted ,2025-02-02\n3,2025-01-03,Web,OPEN,\n"
                "4,2025-01-04,referral,Disqualified,2025-02-03\n"
            )
        },
        {
            "leads": {
                "outcome": ["converted", "converted", None, "disqualified"],
                "source": ["referral", "referral", "Web", "referral"],
            }
        },
    ),
    "trailing_delimiter": Situation(
        {
            "ventas.csv": (
                "Referencia|Fecha alta|Fecha cierre|Importe|Resultado\n"
                "V1|2025-01-01|2025-03-01|100|ganado|\nV2|2025-01-02|2025-03-02|200|perdido|\n"
            )
        },
        {"deals": {"deal_id": ["V1", "V2"], "outcome": ["won", "lost"]}},
    ),
    "paid_by_the_year_or_the_month": Situation(
        {
            "subscriptions.csv": (
                "id,Customer ID,Amount,Interval,Created (UTC),Start (UTC),Canceled At (UTC)\n"
                's1,c1,"1,200.00",year,2024-01-04,2024-01-05,\n'
                "s2,c2,10.00,month,2024-02-04,2024-02-05,2024-09-01\n"
                "s3,c1,30.00,quarterly,2024-03-04,2024-03-05,\n"
            )
        },
        {
            "subscriptions": {
                "mrr": [100.0, 10.0, 10.0],
                "started_at": ["2024-01-05", "2024-02-05", "2024-03-05"],
                "ended_at": [None, "2024-09-01", None],
            }
        },
    ),
    "french_accents": Situation(
        {
            "opportunites.csv": (
                "N° affaire,Client,Créée le,Clôturée le,Montant,Statut\n"
                '1,Dupont,03/02/2025,25/02/2025,"1 200,50 €",Gagnée\n'
                '2,Martin,04/02/2025,17/03/2025,"800,00 €",Perdue\n'
                '3,Dupont,15/02/2025,,"2 000,00 €",En cours\n'
            )
        },
        {
            "deals": {
                "amount": [1200.5, 800.0, 2000.0],
                "closed_at": ["2025-02-25", "2025-03-17", None],
                "outcome": ["won", "lost", None],
            }
        },
    ),
    "taxable_amounts": Situation(
        {
            "facturas.csv": (
                "Id;Fecha factura;Cliente;Base imponible;Moneda\nF1;01/04/2025;C1;1.000,00;EUR\n"
                "F2;13/05/2025;C1;-50,00;EUR\n"
            )
        },
        {"invoices": {"amount": [1000.0, -50.0], "issued_at": ["2025-04-01", "2025-05-13"]}},
    ),
    "rounded_ids": Situation(
        {
            "deals.csv": (
                "id,created,closed,amount,state\n1.23457E+11,2025-01-01,2025-02-01,1,won\n"
                "1.23457E+11,2025-01-02,2025-02-02,2,lost\n1.23458E+11,2025-01-03,,3,open\n"
            )
        },
        {},
        asks=("rounded the ids",),
        warns=("scientific notation",),
    ),
}


def held(folder: Path, table: str, column: str) -> list[Any]:
    """The values of a column, None where they are missing; instants by the minute."""
    values = pd.read_parquet(folder / f"{table}.parquet")[column]
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        texts = values.dt.strftime("%Y-%m-%d %H:%M").str.removesuffix(" 00:00")
    elif values.dtype.kind == "f":
        texts = values.round(6)
    else:
        texts = values
    return [None if pd.isna(v) else v for v in texts]


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_drafted_mapping_reads_the_situation(name: str, tmp_path: Path) -> None:
    situation = SITUATIONS[name]
    export = tmp_path / "export"
    export.mkdir()
    for file, content in situation.files.items():
        data = content.encode() if isinstance(content, str) else content
        (export / file).write_bytes(data)
    draft = drafted(export)
    (tmp_path / "my.toml").write_text(to_toml(draft))
    asked = " ".join(q.text for q in draft.questions)
    for words in situation.asks:
        assert words in asked
    for key, value in situation.extra.items():
        assert any(line.name == key and line.spec == value for line in draft.export), asked
    if not situation.cells and not situation.warns:
        return
    report = ingest(export, tmp_path / "my.toml", tmp_path / "out")
    said = " ".join(str(c) for c in report.consequences)
    for words in situation.warns:
        assert words in said
    for table, columns in situation.cells.items():
        for column, expected in columns.items():
            assert held(tmp_path / "out", table, column) == expected, f"{table}.{column}"
