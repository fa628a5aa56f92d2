"""The page's examples of options are read as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from features.ingest.run import ingest

PAGE = Path(__file__).parents[1] / "docs" / "mapping.md"

FILES = {
    "companies.csv": "Id\nA1\nA2\n",
    "merges.csv": "old_id,new_id\nA9,A1\n",
    "opportunities.csv": (
        "Id,Name,Deleted,Opened,Amount (cents),Source,WhoId,IsClosed,IsWon,Stage,modified\n"
        "D1,one,false,01/02/2025,1250,web form,00Q1,true,true,Closed Won,2025-03-01\n"
        "D1,one,false,01/02/2025,1300,web form,00Q1,true,true,Closed Won,2025-03-02\n"
        "D2,two,false,02/02/25,-1,fair,0031,false,false,Offer,2025-03-01\n"
        "D3,three,true,02/02/2025,100,fair,0031,false,false,Offer,2025-03-01\n"
    ),
    "closings.csv": "deal,closed_on\nD1,2025-02-20\nD1,2025-03-01\n",
    "orders.csv": (
        "Order,Customer,Date,Quantity,Price\nO1,A9,2025-01-05,2,10\n,,,1,5\nO2,A2,2025-02-05,1,7\n"
    ),
    "calls_2024.csv": "id,contacts,at,length\nc1,81;82,2025-01-05 10:00,1h30\n",
    "calls_2025.csv": "id,contacts,at,length\nc2,81,2025-01-06 10:00,00:15:30\n",
    "rates.csv": "code,day,per_euro\nUSD,2025-01-01,1.25\n",
}


def test_every_option_of_the_example_does_what_its_comment_says(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = (b for b in blocks if "per_euro" in b)
    (tmp_path / "export").mkdir()
    for name, text in FILES.items():
        (tmp_path / "export" / name).write_text(text)
    (tmp_path / "my.toml").write_text(example)
    ingest(tmp_path / "export", tmp_path / "my.toml", tmp_path / "out")
    held = {p.stem: pd.read_parquet(p) for p in (tmp_path / "out").glob("*.parquet")}
    deals = held["deals"].set_index("deal_id")
    assert list(deals.index) == ["D1", "D2"]
    assert deals.loc["D1", "amount"] == 13.0 and deals["amount"].isna().tolist() == [False, True]
    assert deals.loc["D1", "closed_at"] == pd.Timestamp("2025-03-01T00:00Z")
    assert deals["source"].tolist() == ["web", "other"]
    assert deals["lead_id"].iloc[0] == "00Q1" and pd.isna(deals["lead_id"].iloc[1])
    assert deals["outcome"].iloc[0] == "won" and pd.isna(deals["outcome"].iloc[1])
    invoices = held["invoices"].set_index("invoice_id")
    assert invoices["amount"].to_dict() == {"O1": 25.0, "O2": 7.0}
    assert invoices.loc["O1", "account_id"] == "A1"
    calls = held["activities"]
    assert sorted(zip(calls["contact_id"], calls["duration"], strict=True)) == [
        ("81", 15.5),
        ("81", 90.0),
        ("82", 90.0),
    ]
    assert held["fx_rates"]["rate"].tolist() == [0.8]
