"""The part of docs/figures.md on the health of the pipeline, from the tables' own columns."""

from __future__ import annotations

import inspect

from serving.analytics.health import actions, bottlenecks
from serving.analytics.health.actions import CALLS
from serving.analytics.health.attention import DEALS
from serving.analytics.health.bottlenecks import BOTTLENECKS
from serving.analytics.health.stages import MOVES, STAGES


def health() -> str:
    """The section, ready to be put behind the figures."""
    tables = (
        ("`stages`: how long deals stay in each stage", "", STAGES),
        ("`moves`: where they go from there", "", MOVES),
        ("`bottlenecks`: where they wait, and what it costs", _said(bottlenecks), BOTTLENECKS),
        ("`deals`: every open deal beside its stage's history", "", DEALS),
        ("`calls`: whom to turn to first", _said(actions), CALLS),
    )
    return _HEAD + "".join(_table(*table) for table in tables)


_HEAD = """
## Pipeline health

```console
$ make figures DATA=data/demo/canonical SCORES=data/scores CAPACITY=40
$ python -m serving figures --data data/demo/canonical --health --scores data/scores --capacity 40
```

Stages stand in the order in which deals see them, learned from the history (Borda's count). A stage
that deals enter on the day they close, such as "Closed Won", is an outcome and not a stage.
"""


def _said(module: object) -> str:
    """What a module says of its method, without its first sentence."""
    text = inspect.getdoc(module) or ""
    return text.split("\n\n", 1)[1].strip() + "\n\n"


def _table(title: str, said: str, columns: dict[str, str]) -> str:
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in columns.items())
    return f"\n### {title}\n\n{said}| column | meaning |\n|---|---|\n{rows}"
