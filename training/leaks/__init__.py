"""The leak audit: which columns know the outcome because they were written after it."""

from training.leaks.audit import audit
from training.leaks.findings import (
    Colour,
    Finding,
    LeakError,
    refuse,
    table,
    to_text,
    unacknowledged,
)

__all__ = [
    "Colour",
    "Finding",
    "LeakError",
    "audit",
    "refuse",
    "table",
    "to_text",
    "unacknowledged",
]
