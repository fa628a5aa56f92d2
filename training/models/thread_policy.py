"""How the threads of a command wait: set before the libraries that start them are loaded."""

from __future__ import annotations

from collections.abc import MutableMapping

POLICY = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
"""OpenMP reads its variable once, when LightGBM is loaded, and OpenBLAS when numpy is.

Threads that spin while they wait cost LightGBM several times its speed as soon as anything else
runs on the same cores; asleep they cost nothing measurable. Our matrices are too small for BLAS to
share, and a product's last digits depend on how many threads share it.
"""


def set_policy(environment: MutableMapping[str, str]) -> None:
    """Add what ``environment`` does not say already; the owner's own variables stay."""
    for name, value in POLICY.items():
        environment.setdefault(name, value)
