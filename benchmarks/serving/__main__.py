"""`python -m benchmarks.serving`: five servers side by side, in turn, in short rounds.

    python -m benchmarks.serving [--rounds 5] [--seconds 3] [--memory 200000]

Same booster, same records, two workers each, two cores shared with the load generator. Every
contestant's probabilities are compared with the model's before a time is quoted. Medians over the
rounds, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.serving.contestants import Contestant, compare, everyone
from benchmarks.serving.flood import flood
from benchmarks.serving.load import Measured, blow, require_wrk
from benchmarks.serving.workload import Workload, prepare

CLIENTS = (1, 8)
Results = dict[tuple[str, int], list[Measured]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables and the bars; 0 if everything ran, whatever the bars say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    parser.add_argument("--memory", type=int, default=200_000, help="requests; 0: skip")
    chosen = parser.parse_args(arguments)
    require_wrk()
    # one thread a worker for everybody, asleep while it waits (docs/benchmarks.md)
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(Path(folder))
        with everyone(work) as contestants:
            compare(contestants, work.expected)
            print("every contestant gives the model's probabilities\n", flush=True)
            results = in_turn(contestants, work, chosen.rounds, chosen.seconds)
            print(table(results), *bars(results), sep="\n", flush=True)
            overload(contestants[0], results)
            if chosen.memory:
                memory(contestants[0], work, chosen.memory)
    return 0


def in_turn(
    contestants: Sequence[Contestant], work: Workload, rounds: int, seconds: float
) -> Results:
    """Each contestant at each number of clients, one after the other, so many rounds."""
    results: Results = {}
    for one in contestants:
        blow(one, 8, 1, work.folder)  # warms up
    for _ in range(rounds):
        for clients in CLIENTS:
            for one in contestants:
                measured = blow(one, clients, seconds, work.folder)
                results.setdefault((one.name, clients), []).append(measured)
    return results


def table(results: Results) -> str:
    """Medians over the rounds as a table in Markdown."""
    names = ["server", "clients", "requests/s", "p50 ms", "p99 ms", "worst p99 of a round"]
    names += ["processor, ms a request", "not answered"]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for (name, clients), rounds in results.items():
        bad = sum(r.bad_status + r.broken for r in rounds)
        worst, spent = max(r.p99 for r in rounds), _median(r.processor for r in rounds)
        lines.append(
            f"| {name} | {clients} | {rate(results, name, clients):,.0f} | "
            f"{_median(r.p50 for r in rounds):.2f} | {p99(results, name, clients):.2f} | "
            f"{worst:.2f} | {spent:.3f} | {bad} |"
        )
    return "\n".join(lines) + "\n"


def _median(values: Iterable[float]) -> float:
    return float(statistics.median(values))


def rate(results: Results, name: str, clients: int) -> float:
    """Median good answers a second."""
    return _median(r.rate for r in results[name, clients])


def p99(results: Results, name: str, clients: int) -> float:
    """Median p99 in milliseconds."""
    return _median(r.p99 for r in results[name, clients])


def bars(results: Results) -> list[str]:
    """The bars, each with what was measured."""
    ours, plain = "ours, explained", "ours, no reasons"
    said = [
        _bar(
            "explained × stock at 8", rate(results, ours, 8) / rate(results, "stock BentoML", 8), 20
        ),
        _bar("explained × MLflow at 8", rate(results, ours, 8) / rate(results, "MLflow", 8), 3),
        _bar(
            "no reasons, share of echo at 8",
            rate(results, plain, 8) / rate(results, "echo", 8),
            0.25,
        ),
    ]
    for clients in CLIENTS:
        times = p99(results, "stock BentoML", clients) / p99(results, ours, clients)
        said.append(_bar(f"p99, times below stock's at {clients}", times, 20))
    wide = p99(results, ours, 8) / _median(r.p50 for r in results[ours, 8])
    said.append(f"{'met   ' if wide <= 3 else 'missed'}  p99 over p50 at 8: {wide:.2f} (at most 3)")
    return said


def _bar(what: str, got: float, wanted: float) -> str:
    return f"{'met   ' if got >= wanted else 'missed'}  {what}: {got:.2f} (bar {wanted:g})"


def overload(one: Contestant, results: Results, seconds: float = 10.0) -> None:
    """Twice what it answered at eight clients, from an open flood."""
    most = 2 * rate(results, one.name, 8)
    row = flood(one, most, seconds).row()
    print(f"\ntwice the saturating load, {most:,.0f} requests/s for {seconds:g} s:")
    print("\n".join(f"  {name}: {value:,.3g}" for name, value in row.items()), flush=True)


def memory(one: Contestant, work: Workload, requests: int) -> None:
    """Resident memory of all processes of ours while so many requests pass."""
    print(f"\nresident memory over {requests:,} requests:")
    passed, step = 0, requests / 10
    while passed < requests:
        begin = passed
        while passed - begin < step:
            passed += blow(one, 8, 3, work.folder).requests
        print(f"  after {passed:>9,}: {one.memory() / 2**20:,.1f} MiB", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
