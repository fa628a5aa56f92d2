"""The assignment that costs least, as a mixed-integer programme, and the rules it cannot keep.

Case i goes to one owner: Σ_j x_ij = 1. Owner j's cases (but for one) and value (but for BAND) may
lie off its fair share by n_j+, n_j-, v_j+, v_j- >= 0, which cost; capacity may be exceeded by
e_j >= 0 at a cost that nothing else outweighs, so that a programme always has a solution and says
what could not be met.

    min Σ_ij c_ij x_ij + load Σ_j (n_j+ + n_j-) + value Σ_j (v_j+ + v_j-) + BREACH Σ_j e_j

with c_ij = move·[i changes hands] + territory·[other region] + language·[not spoken], and values
in units of the average case. A transportation problem with side constraints (Ahuja, Magnanti &
Orlin, Network Flows, 1993, ch. 6 and 16), solved by HiGHS through scipy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from features.tables import Floats, Ints
from serving.analytics.routing.problem import RoutingProblem, Rules

BREACH = 1_000.0
"""Cost of one case beyond a rule: more than all wishes for a case together can weigh."""
BAND = 0.02
"""A share of value this near to fair is fair; an exact one would be a puzzle that helps nobody."""
GAP = 1e-3
"""Relative distance from the best bound at which the search may stop."""
NODES = 100
"""Branches after which the best found so far is taken: a count and not a time, so that a slow
machine gives the same answer. ``Assignment.gap`` says how far from the best it may be."""
SECONDS = 600.0
"""The last resort, for a problem too large for any branch."""


@dataclass(frozen=True)
class Assignment:
    """to (n,) position of each case's owner; gap: distance from the proven optimum, relative."""

    to: Ints
    gap: float


def assign(given: RoutingProblem, rules: Rules) -> Assignment:
    """Solve the programme; the same problem has the same answer.

    RuntimeError where the solver found nothing in time: state fewer cases or looser costs.
    """
    n, m = len(given.ids), len(given.owners)
    if n == 0:
        return Assignment(np.zeros(0, np.int64), 0.0)
    costs = np.concatenate(
        [
            _case_costs(given, rules).ravel(),
            np.full(2 * m, rules.load),
            np.full(2 * m, rules.value),
            np.full(m, BREACH),
        ]
    )
    integral = np.concatenate([np.ones(n * m), np.zeros(5 * m)])
    upper = np.concatenate([np.ones(n * m), np.full(5 * m, np.inf)])
    found = milp(
        costs,
        integrality=integral,
        bounds=Bounds(0, upper),
        constraints=_constraints(given),
        options={"mip_rel_gap": GAP, "node_limit": NODES, "time_limit": SECONDS},
    )
    if found.x is None:
        raise RuntimeError(f"no assignment of {n} cases to {m} owners was found: {found.message}")
    to: Ints = found.x[: n * m].reshape(n, m).argmax(axis=1).astype(np.int64)
    return Assignment(to, float(found.mip_gap or 0.0))


def _case_costs(given: RoutingProblem, rules: Rules) -> Floats:
    """(n, m) cost of each case with each owner; a case that nobody has costs no move."""
    m = len(given.owners)
    held = given.now[:, None] >= 0
    moves = held & (np.arange(m)[None, :] != given.now[:, None])
    wish = 1.0 if rules.may_mismatch else BREACH
    costs: Floats = rules.move * moves.astype(np.float64)
    costs += np.where(given.territory, 0.0, rules.territory * wish)
    costs += np.where(given.language, 0.0, rules.language * wish)
    # a hair that grows with the owner's place makes equal solutions one solution
    costs += 1e-9 * np.arange(m)[None, :]
    return costs


def _constraints(given: RoutingProblem) -> list[LinearConstraint]:
    n, m = len(given.ids), len(given.owners)
    unit = given.value.mean() if given.value.mean() > 0 else 1.0
    worth = given.value / unit
    one = sp.kron(sp.eye(n), np.ones((1, m)), format="csr")
    count = sp.kron(np.ones((1, n)), sp.eye(m), format="csr")
    value = sp.kron(worth[None, :], sp.eye(m), format="csr")
    zero, eye = sp.csr_matrix((m, m)), sp.eye(m, format="csr")
    loads = sp.hstack([count, -eye, eye, zero, zero, zero])
    values = sp.hstack([value, zero, zero, -eye, eye, zero])
    capped = sp.hstack([count, zero, zero, zero, zero, -eye])
    each = sp.hstack([one, sp.csr_matrix((n, 5 * m))])
    fair, worth_of = given.share * n, given.share * worth.sum()
    return [
        LinearConstraint(each, 1, 1),
        LinearConstraint(loads, fair - 1, fair + 1),
        LinearConstraint(values, worth_of * (1 - BAND), worth_of * (1 + BAND)),
        LinearConstraint(capped, -np.inf, given.capacity),
    ]
