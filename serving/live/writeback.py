"""Scores of the newest run written into the CRM, and taken back.

Look, intend, write, settle: a batch is read first, its intentions are kept, then it is written,
then it is settled. A process that is killed between two of these leaves nothing written twice:
writes are values that are set, and the next run looks at what stands there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

from features.connectors.contract import BudgetError
from features.connectors.tryton import OWN_NOTE
from features.tables import DAY, instant_text
from serving.i18n.sentences import share
from serving.live.ledger import Entry, WritebackLedger
from serving.live.policy import Policy
from serving.live.target import Parts, ScoreTarget
from serving.store.scores import ScoreRow

T = TypeVar("T")


@dataclass(frozen=True)
class About:
    """What a note says of the scores: version of the model, cutoff (microseconds), language."""

    version: str
    cutoff: int
    lang: str


@dataclass
class Outcome:
    """What a write-back did, by id: ``written`` holds (before, after); ``failed`` says why."""

    written: dict[str, tuple[float | None, float]] = field(default_factory=dict)
    unmoved: int = 0
    overrides: dict[str, float] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: int = 0

    def to_text(self) -> str:
        """One line of counts, then the records that need a look."""
        counts = (
            f"written {len(self.written):,}, not moved enough {self.unmoved:,}, "
            f"a person's own value {len(self.overrides):,}, closed or gone {len(self.gone):,}, "
            f"refused {len(self.failed):,}, waiting for the next run {self.waiting:,}"
        )
        refused = [f"refused: {i}: {why}" for i, why in self.failed.items()]
        return "\n".join([counts, *refused]) + "\n"


def write_back(
    rows: Iterable[ScoreRow],
    about: About,
    target: ScoreTarget,
    ledger: WritebackLedger,
    policy: Policy,
    now: int,
    dry_run: bool = False,
) -> Outcome:
    """Write what moved enough; with ``dry_run`` only say what would be written.

    Nothing is written over a person's own value: it is counted and shown. Records that the CRM
    refuses are tried again next time. Where the budget of calls is spent the rest waits.
    """
    known, outcome = ledger.entries(target.entity), Outcome()
    wanted = []
    for row in rows:
        if policy.worth_writing(row, known.get(row.id)):
            wanted.append(row)
        else:
            outcome.unmoved += 1
    done = 0
    try:
        for batch in _batches(wanted, target.batch):
            _write_batch(batch, about, target, ledger, policy, known, now, dry_run, outcome)
            done += len(batch)
    except BudgetError:
        outcome.waiting = len(wanted) - done
    return outcome


def _write_batch(
    batch: Sequence[ScoreRow],
    about: About,
    target: ScoreTarget,
    ledger: WritebackLedger,
    policy: Policy,
    known: Mapping[str, Entry],
    now: int,
    dry_run: bool,
    outcome: Outcome,
) -> None:
    there = target.read([row.id for row in batch])
    intended: list[Entry] = []
    parts: dict[str, Parts] = {}
    for row in batch:
        entry, value = known.get(row.id), target.round(row.probability)
        if row.id not in there:
            outcome.gone.append(row.id)
            continue
        standing = there[row.id]
        if policy.overridden(standing["probability"], entry):
            outcome.overrides[row.id] = float(standing["probability"] or 0.0)
            continue
        parts[row.id] = parts_of(row, about, policy.reasons, value)
        first = entry is None or entry.state == "undone"
        made = Entry(target.entity, row.id, "intended", value, row.grade, "", None, now)
        made = replace(made, note=parts[row.id]["note"])
        intended.append(_since(made, standing) if first or entry is None else _kept(made, entry))
    if not dry_run and intended:
        # before the CRM is called: whoever comes next knows that these may have been written
        ledger.keep(intended)
        failed = target.write(parts)
        ledger.keep(_settled(e, failed.get(e.id, "")) for e in intended)
        outcome.failed |= failed
    ok = (e for e in intended if e.id not in outcome.failed)
    outcome.written |= {e.id: (there[e.id]["probability"], e.value) for e in ok}


def _since(made: Entry, standing: Parts) -> Entry:
    """A first entry, with what stands in the CRM before it."""
    others = {part: value for part, value in standing.items() if part != "probability"}
    return replace(made, before=standing["probability"], others=json.dumps(others))


def _kept(made: Entry, entry: Entry) -> Entry:
    """A later entry, which knows what stood there before the first."""
    return replace(made, before=entry.before, others=entry.others)


def _settled(entry: Entry, refused: str) -> Entry:
    return replace(entry, state="failed" if refused else "written", said=refused)


def undo(target: ScoreTarget, ledger: WritebackLedger, now: int) -> Outcome:
    """Put back what stood there before our first write, and take our notes away.

    A record whose value a person has changed since stays as it is.
    """
    outcome = Outcome()
    mine = [e for e in ledger.entries(target.entity).values() if e.state != "undone"]
    for batch in _batches(mine, target.batch):
        there = target.read([e.id for e in batch])
        back = {}
        for entry in batch:
            if entry.id not in there:
                outcome.gone.append(entry.id)
            elif (now_there := there[entry.id]["probability"]) not in (entry.value, entry.before):
                outcome.overrides[entry.id] = float(now_there or 0.0)
            else:
                back[entry.id] = entry
        outcome.failed |= target.write({i: _before(e, there[i]) for i, e in back.items()})
        settled = [e for i, e in back.items() if i not in outcome.failed]
        ledger.keep(replace(e, state="undone", at=now) for e in settled)
        outcome.written |= {e.id: (e.value, e.before or 0.0) for e in settled}
    return outcome


def _before(entry: Entry, standing: Parts) -> Parts:
    """What stood in each field before our first write; nothing in one that was not there yet."""
    others = dict.fromkeys(standing, "") | json.loads(entry.others)
    return {**others, "probability": entry.before, "note": ""}


def _batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(rows)
    while some := list(islice(source, size)):
        yield some


def parts_of(row: ScoreRow, about: About, reasons: int, value: float) -> Parts:
    """Every part of a score that a CRM may hold."""
    said = [str(reason["sentence"]) for reason in row.reasons[:reasons]]
    return {
        "probability": value,
        "grade": row.grade,
        "expected": instant_text(expected_at(row, about.cutoff))[:10] if row.curve else "",
        "reasons": "\n".join(said),
        "scored_at": instant_text(about.cutoff)[:19] + "Z",
        "model": about.version,
        "note": note_of(row, about, reasons),
    }


def note_of(row: ScoreRow, about: About, reasons: int) -> str:
    """What stands beside the score: chance and grade, by when, why, as of when, by which model."""
    lines = [f"{OWN_NOTE} {share(row.probability, about.lang)} ({row.grade})"]
    if row.curve:
        lines[0] += f", {instant_text(expected_at(row, about.cutoff))[:10]}"
    lines += [f"- {reason['sentence']}" for reason in row.reasons[:reasons]]
    lines.append(f"{instant_text(about.cutoff)[:16]} UTC, {about.version}")
    return "\n".join(lines)


def expected_at(row: ScoreRow, cutoff: int) -> int:
    """The instant by which half of the probability has come: the median date if it happens."""
    half, day, below = row.probability / 2, 0.0, 0.0
    for point in row.curve:
        reached = float(point["probability"])
        if reached >= half and reached > below:
            day += (float(point["day"]) - day) * (half - below) / (reached - below)
            return cutoff + round(day * DAY)
        day, below = float(point["day"]), reached
    return cutoff + round(day * DAY)
