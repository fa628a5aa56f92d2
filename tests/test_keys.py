"""One record is one, however a reference writes its key."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.ingest.mapping import parse
from features.ingest.merge import normal
from features.ingest.report import IngestReport
from features.ingest.run import canonical
from features.ingest.values.ids import checksum, plain_of

SHORT = st.text("abcXYZ019", min_size=15, max_size=15)


def read(folder: Path, keys: list[str], refs: list[str]) -> tuple[pd.DataFrame, IngestReport]:
    (folder / "accounts.csv").write_text("\n".join(["id", *keys]) + "\n")
    rows = [f'{i},"{ref}",2025-01-02' for i, ref in enumerate(refs)]
    (folder / "deals.csv").write_text("\n".join(["id,account,at", *rows]) + "\n")
    tables = {
        "accounts": {"columns": {"account_id": "id"}},
        "deals": {"columns": {"deal_id": "id", "account_id": "account", "created_at": "at"}},
    }
    mapping = parse(normal({"export": {"as_of": "2025-02-01"}, "tables": tables}, "test"), "test")
    frames, _, report = canonical(folder, mapping)
    return frames["deals"], report


@pytest.mark.parametrize(
    ("key", "ref"),
    [
        ("71", "71.0"),
        ("71.0", "71"),
        ("Ann@Example.com", "ann@example.COM"),
        ("0015g00000AbCdE", "0015g00000AbCdE" + checksum("0015g00000AbCdE")),
        ("71", "71;72"),
        ("71", "71.0; 72"),
    ],
)
def test_a_reference_reaches_its_record_and_is_counted(tmp_path: Path, key: str, ref: str) -> None:
    deals, report = read(tmp_path, [key, "9"], [ref, "9", ref])
    assert deals["account_id"].tolist() == [key, "9", key]
    (block,) = (b for b in report.blocks if b.table == "deals")
    assert block.repaired["account_id: written otherwise than the key, linked to it"].n == 2


def test_two_records_of_one_meaning_leave_an_orphan(tmp_path: Path) -> None:
    deals, report = read(tmp_path, ["a@x.org", "A@X.org"], ["A@x.org", "a@x.org"])
    assert deals["account_id"].tolist() == ["A@x.org", "a@x.org"]
    assert report.tables["deals"].orphans["account_id"].n == 1


def test_a_word_for_none_is_missing_unless_a_record_is_called_so(tmp_path: Path) -> None:
    deals, _ = read(tmp_path, ["7"], ["7", "False", "N/A"])
    assert deals["account_id"].isna().tolist() == [False, True, True]
    deals, _ = read(tmp_path, ["None"], ["None", "5"])
    assert deals["account_id"].tolist() == ["None", "5"]


@settings(max_examples=50, deadline=None)
@given(SHORT)
def test_the_long_id_is_the_short_one_and_no_other_tail_is(short: str) -> None:
    tail = checksum(short)
    other = ("B" if tail[0] == "A" else "A") + tail[1:]
    made = plain_of(pa.array([short, short + tail, short + other])).to_pylist()
    assert made == [short, short, short + other]


def test_each_character_of_the_checksum_says_which_of_five_are_capitals() -> None:
    assert checksum("aaaaaaaaaaaaaaa") == "AAA"
    assert checksum("AaaaaaAaaaAAAAA") == "BC5"  # 2**0, 2**1, 31


def test_a_join_reaches_a_record_that_is_written_otherwise(tmp_path: Path) -> None:
    """An e-mail in other case, a number with .0; a record written exactly so is taken first."""
    asked = ["Ada@Firm.example", "71.0", "b@firm.example", "nobody@x.example"]
    there = {"ada@firm.example": "A1", "71": "A2", "B@firm.example": "no", "b@firm.example": "A3"}
    (tmp_path / "people.csv").write_text(
        "\n".join(["who,account", *(f"{k},{v}" for k, v in there.items())]) + "\n"
    )
    (tmp_path / "deals.csv").write_text(
        "\n".join(["id,who,at", *(f"{i},{w},2025-01-02" for i, w in enumerate(asked))]) + "\n"
    )
    columns = {"deal_id": "id", "account_id": "p.account", "created_at": "at"}
    join = {"from": "people", "prefix": "p", "on": {"who": "who"}}
    raw = {
        "export": {"as_of": "2025-02-01"},
        "tables": {"deals": {"join": [join], "columns": columns}},
    }
    frames, _, _ = canonical(tmp_path, parse(normal(raw, "test"), "test"))
    assert frames["deals"]["account_id"].astype(object).where(
        frames["deals"]["account_id"].notna(), None
    ).tolist() == ["A1", "A2", "A3", None]
