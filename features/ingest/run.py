"""An export becomes a canonical data set, and a report of what happened to every row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from features import quotas
from features.catalog import grouped, without_feature
from features.frames import from_frames, write
from features.ingest.block import Block, draft, read_block
from features.ingest.findings import as_of_of, finish, frames_of
from features.ingest.joined_source import ReadPlan, plan
from features.ingest.mapping import Mapping, load
from features.ingest.report import IngestReport
from features.ingest.rows import Draft, check
from features.ingest.strict import MappingError, nearest
from features.ingest.survivors import follow, merged_ids
from features.ingest.table import TableSpec
from features.ingest.values.base import Defaults
from features.ingest.values.clean import instants
from features.ingest.values.keys import relink
from features.schema import OUTCOMES, TABLES
from features.sources.files import find, read, read_header
from features.sources.packed import readable
from features.sources.words import Header, Source
from features.tables import NAT, CustomField, Meta, instant_text, micros

_NEVER = 2**63 - 1


def ingest(
    data: Path, mapping: Path | str, out: Path, progress: bool = False, now: datetime | None = None
) -> IngestReport:
    """Read an export with a mapping and write the canonical data set with its report.

    ``mapping`` is a TOML file or a preset's name. ``now`` bounds what can have happened where the
    mapping states no ``as_of``. A wrong mapping raises MappingError and a file that is no table
    SourceError; a bad row never raises.
    """
    loaded = load(mapping)
    frames, meta, report = canonical(data, loaded, progress, now)
    for table in TABLES:  # an earlier ingest may have had more tables
        (out / f"{table}.parquet").unlink(missing_ok=True)
    write(out, frames, meta)
    state = json.dumps(report.to_json(), indent=2, ensure_ascii=False)
    (out / "ingest_report.json").write_text(state + "\n", encoding="utf-8")
    (out / "ingest_report.md").write_text(report.markdown(), encoding="utf-8")
    for i, path in enumerate(loaded.files):
        shutil.copyfile(path, out / ("mapping.toml" if i == 0 else path.name))
    return report


def canonical(
    data: Path, mapping: Mapping, progress: bool = False, now: datetime | None = None
) -> tuple[dict[str, pd.DataFrame], Meta, IngestReport]:
    """The canonical frames, their description and the report, nothing written."""
    data = Path(data)
    report = IngestReport(mapping.name, data.resolve().name, currency=mapping.currency)
    with readable(data) as files:
        headers = _Headers(mapping)
        merged = merged_ids(mapping.tables.values(), files, headers.of)
        drafts = _drafts(_plans(files, mapping, report, headers), mapping, progress)
        follow(drafts, merged)
    relink(drafts)
    stated = _stated_as_of(mapping)
    end = stated if stated != NAT else _NEVER if now is None else micros(now) + 1
    for made in drafts.values():
        check(made, end, mapping.company_zone)
    as_of = as_of_of(drafts, stated, report, mapping.company_zone)
    finish(drafts, mapping, report)
    meta = Meta(
        as_of="" if as_of == NAT else instant_text(as_of),
        currency=mapping.currency,
        custom=_present(mapping, drafts),
        fixed={t: list(c) for t, c in mapping.fixed.items() if t in drafts},
        left_out={t: list(c) for t, c in mapping.left_out.items() if t in drafts},
        questions=mapping.questions,
        mapping=mapping.name,
        acknowledged=mapping.acknowledged,
        zone=mapping.company_zone,
        fiscal_start=mapping.fiscal_start,
        consequences=report.consequences,
        dates={t: sorted(made.dates) for t, made in drafts.items() if made.dates},
        replayed=_replayed(mapping, drafts),
    )
    frames = frames_of(drafts, meta)
    if "quotas" in frames and "owners" in frames:
        said = quotas.consequences(from_frames({t: frames[t] for t in ("quotas", "owners")}, meta))
        report.consequences += said
        meta = replace(meta, consequences=report.consequences)
    report.no_feature = _no_feature(frames, meta)
    return frames, meta, report


def _no_feature(frames: dict[str, pd.DataFrame], meta: Meta) -> list[str]:
    """What is mapped and becomes no feature of any entity with outcomes, with the reason."""
    tables = from_frames({t: _outlined(t, frame, meta) for t, frame in frames.items()}, meta)
    entities = [e for e in OUTCOMES if tables[e].has("outcome")]
    return grouped(without_feature(tables, entities))


def _outlined(table: str, frame: pd.DataFrame, meta: Meta) -> pd.DataFrame:
    """The frame with ids and texts as whether they are there, which is all that is asked of them.

    Eleven million of them as words cost as much as a sixth of the reading.
    """
    named = [str(c) for c in frame if meta.kind(table, str(c)) in ("key", "ref", "text")]
    there = {c: np.where(frame[c].isna(), -1, 0) for c in named}
    return frame.assign(
        **{c: pd.Categorical.from_codes(v, pd.Index(["x"])) for c, v in there.items()}
    )


class _Headers:
    """The headers of an export's files, each read once."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.known: dict[Path, Header] = {}

    def of(self, path: Path) -> Header:
        """The header of one file."""
        if path not in self.known:
            mapping = self.mapping
            self.known[path] = read_header(path, mapping.delimiter, mapping.encoding)
        return self.known[path]


def _plans(
    files: list[Path], mapping: Mapping, report: IngestReport, headers: _Headers
) -> list[ReadPlan]:
    """Every block against every file it means; all mistakes of the mapping show here."""
    plans: list[ReadPlan] = []
    for spec in mapping.tables.values():
        found = find(files, spec.source)
        if not found and len(files) == 1 and len(mapping.tables) == 1:
            found = files
        if not found and spec.optional:
            report.not_found.append(f"{spec.name} ({' or '.join(spec.source)})")
        elif not found:
            raise MappingError(_no_file(f"[tables.{spec.name}]", spec.source, files))
        for path in found:
            plans.append(_plan(spec, headers.of(path), files, headers.of))
    if not plans:
        raise MappingError(
            f"none of the mapping's sources is there; it looks for "
            f"{', '.join(t.source[0] for t in mapping.tables.values())}; "
            f"found {', '.join(p.name for p in files) or 'no readable file'}"
        )
    report.not_read = [p.name for p in files if p not in headers.known]
    return plans


def _plan(
    spec: TableSpec, header: Header, files: list[Path], header_of: Callable[[Path], Header]
) -> ReadPlan:
    joins = []
    for join in spec.join:
        found = find(files, join.source)
        if not found and not join.optional:
            raise MappingError(_no_file(f"[tables.{spec.name}] join", join.source, files))
        if len(found) > 1:
            raise MappingError(
                f"[tables.{spec.name}] join: {join.source[0]!r} means several files "
                f"({', '.join(p.name for p in found)}); name one"
            )
        if found:
            joins.append((join, header_of(found[0])))
    made = plan(spec, header, joins)
    key = TABLES[spec.to].key
    if key in spec.columns and key in made.absent:
        raise MappingError(
            f"[tables.{spec.name}]: {header.path.name} has none of the columns that {key} may "
            f"come from; the nearest is {header.nearest(spec.columns[key][0].names()[0][0])!r}"
        )
    return made


def _no_file(where: str, names: Sequence[str], files: list[Path]) -> str:
    there = [p.name for p in files]
    return f"{where}: no file {' or '.join(map(repr, names))}; {nearest(names[0], there)}"


def _drafts(plans: list[ReadPlan], mapping: Mapping, progress: bool) -> dict[str, Draft]:
    """Read every file once, with the columns that any block needs of it."""
    needed: dict[Path, dict[str, None]] = {}
    by_path: dict[Path, Header] = {}
    for made in plans:
        for header, names in _reads(made):
            by_path[header.path] = header
            needed.setdefault(header.path, {}).update(dict.fromkeys(names))
    defaults = Defaults(
        *(mapping.zone, mapping.dates, mapping.missing, mapping.decimal, mapping.thousands),
        company_zone=mapping.company_zone,
        currency=mapping.currency,
        assumed_dates=mapping.dates_of_preset,
    )
    size = sum(p.stat().st_size for p in by_path)
    sources: dict[Path, Source] = {}
    blocks: dict[str, list[Block]] = {}
    with tqdm(total=size, unit="B", unit_scale=True, disable=not progress, desc="read") as bar:
        for i, made in enumerate(plans):
            for header, _ in _reads(made):
                if header.path not in sources:
                    sources[header.path] = read(header, list(needed[header.path]), bar.update)
            others = {j.prefix: sources[h.path] for j, h in made.joins}
            block = read_block(made, sources[made.header.path], others, defaults, mapping.kind)
            blocks.setdefault(made.spec.to, []).append(block)
            still = {h.path for later in plans[i + 1 :] for h, _ in _reads(later)}
            sources = {p: s for p, s in sources.items() if p in still}
    return {t: draft(t, blocks[t], mapping.kind) for t in TABLES if t in blocks}


def _reads(made: ReadPlan) -> list[tuple[Header, list[str]]]:
    needed = made.needed()
    return [(made.header, needed[""])] + [(h, needed[j.prefix]) for j, h in made.joins]


def _stated_as_of(mapping: Mapping) -> int:
    if not mapping.as_of:
        return NAT
    at = int(instants([mapping.as_of], ("iso",), mapping.zone).values[0])
    if at == NAT:
        raise MappingError(f"[export].as_of: no date {mapping.as_of!r}; write it as 2024-12-31")
    return at


def _replayed(mapping: Mapping, drafts: dict[str, Draft]) -> dict[str, list[str]]:
    """Entity table -> fields that a history holds and no column of the table."""
    found: dict[str, list[str]] = {}
    for spec in mapping.tables.values() if "changes" in drafts else ():
        for name in spec.fields:
            known = found.setdefault(spec.of, []) if spec.of in drafts else [name]
            if name not in known and name not in drafts[spec.of].columns:
                known.append(name)
    return {table: names for table, names in found.items() if names}


def _present(mapping: Mapping, drafts: dict[str, Draft]) -> dict[str, list[CustomField]]:
    with_history = {(s.of, name) for s in mapping.tables.values() for name in s.field_kinds}
    with_history = with_history if "changes" in drafts else set()
    custom = {
        t: [f for f in fields if f.name in drafts[t].columns or (t, f.name) in with_history]
        for t, fields in mapping.custom().items()
        if t in drafts
    }
    return {t: fields for t, fields in custom.items() if fields}
