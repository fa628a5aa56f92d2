"""`python -m features sync`: bring a connected CRM's data set up to date."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime

from tqdm import tqdm

from features.connectors.contract import ConnectorError
from features.sync.connection import load as load_connection
from features.sync.run import SyncError, canonical_of, sync


def run(chosen: argparse.Namespace) -> int:
    """Sync one connection; 0 done, 1 where the CRM or the connection failed, with the reason."""
    try:
        return _sync(chosen)
    except (ConnectorError, SyncError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1


def _sync(chosen: argparse.Namespace) -> int:
    connection = load_connection(chosen.root / "connections", chosen.name)
    with tqdm(unit="record", disable=chosen.quiet, desc=f"sync {chosen.name}") as bar:

        def each(stream: str, n: int) -> None:
            bar.set_postfix_str(stream)
            bar.update(n)

        summary = sync(
            connection,
            chosen.root,
            datetime.now(UTC),
            os.environ,
            accept_deletes=chosen.accept_deletes,
            each=each,
        )
    if not chosen.quiet:
        print(summary.to_text(), end="")
        print(f"data set: {canonical_of(chosen.root, chosen.name)}")
    return 0
