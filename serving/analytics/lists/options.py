"""What people state for the desk."""

from __future__ import annotations

from dataclasses import dataclass, field

from serving.analytics.accounts.goals import Goal
from serving.analytics.accounts.value import Terms
from serving.analytics.health.actions import WAIT
from serving.analytics.routing.problem import Rules


@dataclass(frozen=True)
class DeskOptions:
    """What people state for the desk; the figures say where they need more."""

    capacity: int = 40
    wait: float = WAIT
    terms: Terms = field(default_factory=Terms)
    goals: tuple[Goal, ...] = ()
    rules: Rules = field(default_factory=Rules)
    margin_stated: bool = False
    set_aside: frozenset[tuple[str, str]] = frozenset()
    """(entity, id) of calls that people have done or put off."""
    rejected: frozenset[tuple[str, str, str]] = frozenset()
    """(entity, id, owner) of moves that people have rejected."""
