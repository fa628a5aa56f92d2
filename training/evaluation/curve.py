"""How right the dates are: the curve against what happened at every bin, censored rows included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.tables import Bools, Floats, Ints
from training.evaluation import measures
from training.evaluation.measures import DRAWS, Estimate, Ranked
from training.task.questions import Labels


def curve_table(
    incidence: Floats,
    labels: Labels,
    entities: Ints | Sequence[str],
    edges: Sequence[float],
    base: Floats | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Predicted against observed at every bin end of the curve of the scored outcome.

    incidence  (n, K) F_1(t_k); base (K,) the training rows' own incidence, the baseline
    Bin k uses the rows observed through it (``observed > k``), so a censored row counts as long as
    it was seen. Returns one row a bin with at least one row: bin, day, n, entities, outcomes,
    predicted, observed, low, high (of observed), gap (predicted - observed), gap_low, gap_high,
    auc, auc_low, auc_high, baseline.
    """
    numbers, _ = measures.numbered(entities)
    if incidence.shape != (len(labels), labels.bins) or len(edges) != labels.bins:
        raise ValueError(
            f"the curve must be (n, K) = {(len(labels), labels.bins)} with as many edges, "
            f"got {incidence.shape} and {len(edges)}"
        )
    rows = []
    for k in range(labels.bins):
        at = np.flatnonzero(labels.observed > k)
        if len(at):
            happened = (labels.event[at] == 1) & (labels.event_bin[at] <= k)
            row = _curve_row(happened, incidence[at, k], numbers[at], seed, draws)
            known = float(base[k]) if base is not None else float("nan")
            rows.append({"bin": k, "day": float(edges[k]), **row, "baseline": known})
    return pd.DataFrame(rows)


def _curve_row(
    happened: Bools, p: Floats, numbers: Ints, seed: int, draws: int
) -> dict[str, float | int]:
    numbers, count = measures.numbered(numbers)
    p = measures.kept_inside(p)
    columns = np.column_stack([np.ones(len(p)), happened, p - happened])
    sums = measures.summed(columns, numbers, count)
    ranked = Ranked(happened, p, numbers)
    means, aucs = [], []
    for weights in measures.draws(count, seed, draws):
        s = weights @ sums
        means.append(s[:, 1:] / s[:, :1])
        aucs.append(ranked.measure(weights)[:, 0])
    drawn = np.concatenate(means)
    observed, gap = measures.interval(drawn[:, 0]), measures.interval(drawn[:, 1])
    auc = measures.interval(np.concatenate(aucs))
    return {
        "n": len(p),
        "entities": count,
        "outcomes": len(np.unique(numbers[happened])),
        "predicted": float(p.mean()),
        "observed": float(happened.mean()),
        "low": observed[0],
        "high": observed[1],
        "gap": float((p - happened).mean()),
        "gap_low": gap[0],
        "gap_high": gap[1],
        "auc": float(ranked.measure(np.ones((1, count)))[0, 0]),
        "auc_low": auc[0],
        "auc_high": auc[1],
    }


def person_period_nll(
    incidence: Floats,
    labels: Labels,
    entities: Ints | Sequence[str],
    seed: int = 0,
    draws: int = DRAWS,
) -> Estimate:
    """Mean negative log likelihood of a person-period in nats; every observed bin counts.

    incidence  (n, K, J) F_j(t_k). The likelihoods of the bins a row survived multiply to S, so a
    row adds -log(F_j(t_k) - F_j(t_{k-1})) for an event j in bin k, and -log S after its last
    observed bin without one. ``n`` is the number of person-periods.
    """
    last = np.minimum(labels.event_bin + 1, labels.observed)
    seen = np.flatnonzero(last > 0)
    rises = np.diff(incidence, axis=1, prepend=0.0)
    at, end = labels.event[seen], last[seen] - 1
    event = (at > 0) & (labels.event_bin[seen] == end)
    likelihood = np.where(
        event,
        rises[seen, end, np.maximum(at - 1, 0)],
        1 - incidence[seen, end].sum(-1),
    )
    nll = -np.log(np.maximum(likelihood, measures.SMALLEST))
    numbers, count = measures.numbered(np.asarray(entities)[seen])
    sums = measures.summed(np.column_stack([last[seen], nll]), numbers, count)
    if len(seen) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    drawn = [w @ sums for w in measures.draws(count, seed, draws)]
    values = np.concatenate([s[:, 1] / s[:, 0] for s in drawn])
    periods = int(last[seen].sum())
    return Estimate(float(nll.sum() / periods), *measures.interval(values), periods)
