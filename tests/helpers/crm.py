"""A real Tryton for the tests: installed once by ordinary pip, then a database of its own each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from examples.crm.company import Company
from examples.crm.server import InstallError, Server, started, template
from features.sync.connection import Connection, parse

CACHE = Path(__file__).parents[2] / "data" / "tryton"
"""Kept between sessions: the installation takes a minute, a start two seconds."""

DAY = 86_400.0


@contextmanager
def tryton(home: Path, ahead: float = 0.0) -> Iterator[Server]:
    """A Tryton on an empty database; the test is skipped where no package index is."""
    try:
        template(CACHE)
    except InstallError as wrong:
        if os.environ.get("EMBUDO_REQUIRE_TRYTON"):
            raise
        pytest.skip(f"Tryton cannot be installed (no package index?): {str(wrong)[-300:]}")
    with started(CACHE, home, ahead) as server:
        yield server


def connection(server: Server, folder: Path, **settings: object) -> Connection:
    """A connection to it, whose password is in a file beside."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "password").write_text(server.password, encoding="ascii")
    lines = ['kind = "tryton"', f'url = "{server.url}"', f'user = "{server.user}"']
    lines += ['password = { file = "password" }', 'currency = "EUR"']
    given = {"page": 7, "overlap_minutes": 0, **settings}
    lines += [f"{k} = {v!r}" for k, v in given.items()]
    path = folder / "crm.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    raw = {
        "kind": "tryton",
        "url": server.url,
        "user": server.user,
        "password": {"file": "password"},
        "currency": "EUR",
        **given,
    }
    return parse(raw, "crm", path)


def busy_company(server: Server, deals: int = 24) -> tuple[Company, list[int]]:
    """A company whose opportunities moved over forty days, and their ids."""
    company = Company(server)
    server.set_clock(-40 * DAY)
    company.found()
    people = company.employees(["Maria", "Luigi"])
    kinds = ("retail", "health", "software")
    customers = company.customers(
        [{"name": f"Customer {i}", "industry": kinds[i % 3], "staff": 10 * i} for i in range(10)]
    )
    ids = company.opportunities(
        [
            {
                "description": f"Deal {i}",
                "party": customers[i % 10],
                "employee": people[i % 2],
                "amount": 1000.0 + i,
                "start_date": date(2025, 1, 1),
                "source": ("web", "referral")[i % 2],
            }
            for i in range(deals)
        ]
    )
    server.set_clock(-30 * DAY)
    company.qualify(ids[: deals * 3 // 4])
    company.note(ids[:6], "asked for an offer")
    server.set_clock(-20 * DAY)
    company.convert(ids[: deals // 2])
    company.lose(ids[deals // 2 : deals * 3 // 4])
    server.set_clock(-10 * DAY)
    company.win(dict.fromkeys(ids[: deals // 4], 1500.0))
    company.change(ids[deals // 4 : deals // 3], {"product_interest": "team"})
    return company, ids


def digest(folder: Path) -> dict[str, str]:
    """File -> sha256, of a canonical data set."""
    names = [*sorted(folder.glob("*.parquet")), folder / "dataset.json"]
    return {p.name: sha256(p.read_bytes()).hexdigest() for p in names}
