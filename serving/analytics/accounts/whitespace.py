"""Products that an account's look-alikes have and it has not, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import Bools, Floats
from serving.analytics.accounts.traits import LEVEL, Traits, cross_fitted, traits
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.kpis.customers import customers, owned
from training.stats.intervals import wilson

APART = 8.0
"""Customers with both of two products to be expected by chance before their absence says anything:
of 8 expected by chance none is seen once in 3,000 times (Poisson)."""

COLUMNS = [
    "account_id",
    "product",
    "chance",
    "usual",
    "monthly",
    "expected",
    "evidence",
    "n",
    "share",
    "low",
    "high",
]


@dataclass(frozen=True)
class Ownership:
    """Which of n customers has which of m products, and what a product brings a month."""

    ids: list[str]
    products: list[str]
    has: Bools
    monthly: Floats


def ownership(asof: AsOfFrames) -> Ownership:
    """Running contracts of present customers; without contracts their won deals."""
    present = customers(asof, asof.instant)["account_id"].tolist()
    pairs = owned(asof)
    pairs = pairs[pairs["account_id"].isin(present) & pairs["product"].notna()]
    products = sorted(pairs["product"].unique())
    row = {a: i for i, a in enumerate(present)}
    column = {p: j for j, p in enumerate(products)}
    has = np.zeros((len(present), len(products)), np.bool_)
    has[pairs["account_id"].map(row), pairs["product"].map(column)] = True
    return Ownership(present, products, has, _monthly(asof, products))


def _monthly(asof: AsOfFrames, products: list[str]) -> Floats:
    """Median recurring amount of a product's running contracts; NaN where there are none."""
    runs = asof.subscriptions[asof.subscriptions["ended_at"].isna()]
    middle = runs.groupby("product")["mrr"].median()
    return np.array([float(middle.get(p, float("nan"))) for p in products])


def whitespace(asof: AsOfFrames) -> pd.DataFrame:
    """One row a present customer and a product it has not, the most to be expected first.

    chance    that an account like this has the product: a logistic regression on its fixed fields
              and its other products, cross-fitted; it says how common, not that it will buy
    usual     share of all customers with the product
    monthly   the product's median recurring amount; expected = chance x monthly (the chance alone
              where there are no contracts)
    evidence  the word of the account's fields whose customers have it most surely: n of them, their
              share and its 95 % interval (Wilson)

    Left out are products that fewer than twenty customers have, or lack; what an account like this
    has no more often than any customer; and what excludes a product that the account has, as two
    editions of one product do: a higher edition is a change of contract, not a further product.
    """
    held = ownership(asof)
    who = traits(asof, held.ids)
    apart = exclusive(held.has)
    parts = [_of_product(held, who, j, apart[j]) for j in range(len(held.products))]
    found = [p for p in parts if p is not None]
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    joined = pd.concat(found, ignore_index=True)
    return joined.sort_values("expected", ascending=False, kind="stable", ignore_index=True)


def exclusive(has: Bools) -> Bools:
    """(m, m) pairs of products that hardly any of the n customers of ``has`` (n, m) holds together.

    A pair is one where chance alone would give ``APART`` customers or more with both, and at most
    a tenth of that number are seen.
    """
    both = has.astype(np.float64).T @ has
    single = has.sum(axis=0)
    by_chance = np.outer(single, single) / max(len(has), 1)
    apart: Bools = (by_chance >= APART) & (both <= by_chance / 10)
    return apart


def _of_product(held: Ownership, who: Traits, j: int, apart: Bools) -> pd.DataFrame | None:
    has = held.has[:, j]
    others = np.delete(held.has, j, axis=1).astype(np.float64)
    X = np.column_stack([who.X, others])
    chance = cross_fitted(X, who.encoding.categorical, has)
    if chance is None:
        return None
    usual = float(has.mean())
    lacks = np.flatnonzero(~has & ~held.has[:, apart].any(axis=1) & (chance > usual))
    evidence = [_evidence(who, has, int(row)) for row in lacks]
    monthly = held.monthly[j]
    worth = 1.0 if np.isnan(monthly) else monthly
    cells = {
        "account_id": [held.ids[row] for row in lacks],
        "product": held.products[j],
        "chance": chance[lacks],
        "usual": usual,
        "monthly": monthly,
        "expected": chance[lacks] * worth,
    }
    more = pd.DataFrame(evidence, columns=["evidence", "n", "share", "low", "high"])
    return pd.DataFrame(cells).join(more)[COLUMNS]


def _evidence(who: Traits, has: Bools, row: int) -> tuple[str, int, float, float, float]:
    """(word, n, share, low, high) of the trait with the highest lower end; all if none is known."""
    best = ("all customers", len(has), float(has.mean()), *wilson(int(has.sum()), len(has)))
    for name in who.words:
        codes = who.word(name).codes
        if codes[row] < 0:
            continue
        alike = codes == codes[row]
        n = int(alike.sum())
        if n < LEVEL:
            continue
        low, high = wilson(int(has[alike].sum()), n)
        if low > best[3]:
            word = who.word(name).values[codes[row]]
            best = (f"{name} {word}", n, float(has[alike].mean()), low, high)
    return best
