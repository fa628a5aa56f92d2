"""The deployed unit: everything a score needs, as text and JSON in one folder, checked by sum.

A pickle is a program and a database a moving part; this is neither. A folder is written beside its
place and renamed into it, so there is never half a bundle, and every file's sha256 is compared
before anything is read: LightGBM ends the whole process on a text that is cut short.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from features.files import folder_beside
from features.spine import FeatureSpec
from features.tables import Meta
from training.models.grades import fit_grades as fit_grades
from training.models.grades import grade as grade
from training.models.outcome import OutcomeModel
from training.models.track_record import TrackRecord

FORMAT = 2
"""Raised when a reader of the old form could misread the new one."""

MANIFEST = "manifest.json"


class BundleError(ValueError):
    """A folder is not a whole bundle; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Bundle:
    """One trained question.

    question    name, entity, edges (days), outcomes, how snapshots are taken, a stated prior
    model       the fitted learner, with its encoding
    features    what each feature is, in the order of the encoding
    meta        custom fields and currency: what is needed to read a request's records
    reference   history columns for the rates of owners, accounts and categories; JSON types
    grades      letter -> lowest score, falling; fixed here, so a grade never depends on the batch
    baseline    the score the reasons start from
    version     the training run's own name for this bundle
    trained_on  fingerprint of the data, rows, period
    metrics     the newest period's measures, with intervals, n and baselines
    verdict     the sentence of the evaluation; promotable whether the model may become champion
    receipts    how past scores turned out, and the base rate then and lately
    """

    question: dict[str, Any]
    model: OutcomeModel
    features: list[FeatureSpec]
    meta: Meta
    reference: dict[str, Any]
    grades: dict[str, float]
    baseline: float
    version: str
    trained_on: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    verdict: str = ""
    promotable: bool = False
    track_record: TrackRecord = field(default_factory=TrackRecord)

    @property
    def name(self) -> str:
        """The question's name, which is also that of the registered model."""
        return str(self.question["name"])

    @property
    def prior(self) -> float | None:
        """The base rate that the mapping states for what is scored now; None where it does not."""
        return self.question.get("prior")


_SIMPLE = (
    "question",
    "grades",
    "baseline",
    "version",
    "trained_on",
    "metrics",
    "verdict",
    "promotable",
)


def write(bundle: Bundle, folder: Path) -> None:
    """Write the bundle to ``folder``, which must not exist yet (or be empty).

    Whoever looks sees no folder or all of it: the files are flushed to disk in a sibling folder
    that is then renamed. BundleError if the folder is taken or a model number is not finite.
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(f"{folder} exists already: a bundle is never overwritten; name a new one")
    files = _files(bundle)
    files[MANIFEST] = _manifest(files)
    with folder_beside(folder.parent, folder.name) as beside:
        for name, content in files.items():
            _write_through(beside / name, content)
        _flush_folder(beside)
        beside.rename(folder)
    _flush_folder(folder.parent)


def read(folder: Path) -> Bundle:
    """Read what ``write`` wrote, after every file has proved to be there, whole and unchanged.

    BundleError for a missing, further, cut or changed file, or a form this version cannot read.
    """
    files = _checked(folder)
    try:
        return _bundle(files)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as wrong:
        raise BundleError(
            f"{folder}: the files are as they were written, but do not fit together "
            f"({type(wrong).__name__}: {wrong}); train again with this version"
        ) from wrong


def _files(bundle: Bundle) -> dict[str, bytes]:
    state = bundle.model.to_state()
    texts = {f"{part}.txt": s.encode() for part, s in state.items() if isinstance(s, str)}
    parts = {part: s for part, s in state.items() if not isinstance(s, str)}
    _require_finite(parts, "model")
    return texts | {
        "model.json": _dump(parts),
        "bundle.json": _dump({name: getattr(bundle, name) for name in _SIMPLE}),
        "features.json": _dump([spec.to_json() for spec in bundle.features]),
        "meta.json": _dump(bundle.meta.to_json()),
        "reference.json": _dump(bundle.reference),
        "receipts.json": _dump(bundle.track_record.to_json()),
    }


def _bundle(files: Mapping[str, bytes]) -> Bundle:
    state = orjson.loads(files["model.json"])
    state |= {n.removesuffix(".txt"): t.decode() for n, t in files.items() if n.endswith(".txt")}
    return Bundle(
        **orjson.loads(files["bundle.json"]),
        model=OutcomeModel.from_state(state),
        features=[FeatureSpec.from_json(spec) for spec in orjson.loads(files["features.json"])],
        meta=Meta.from_json(orjson.loads(files["meta.json"])),
        reference=orjson.loads(files["reference.json"]),
        track_record=TrackRecord.from_json(orjson.loads(files["receipts.json"])),
    )


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS)


def _require_finite(value: Any, path: str) -> None:
    """JSON has no NaN: it would come back as null, and the model would be another one."""
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            raise BundleError(f"{path} is {value}: the training diverged; look at its features")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _require_finite(part, f"{path}.{key}")
    elif isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        for i, part in enumerate(value):
            _require_finite(part, f"{path}[{i}]")


def _manifest(files: Mapping[str, bytes]) -> bytes:
    described = {n: {"sha256": _sum(c), "size": len(c)} for n, c in files.items()}
    return _dump({"files": described, "format": FORMAT})


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _checked(folder: Path) -> dict[str, bytes]:
    """Every file's content, once all of them agree with the manifest."""
    described = _described(folder)
    found = {path.name: path for path in folder.iterdir() if path.name != MANIFEST}
    missing, further = described.keys() - found.keys(), found.keys() - described.keys()
    for what, names in (("lacks", missing), ("also holds", further)):
        if names:
            raise BundleError(f"{folder} {what} {', '.join(sorted(names))}; {_AGAIN}")
    contents = {name: _content(path) for name, path in found.items()}
    for name, content in contents.items():
        if {"sha256": _sum(content), "size": len(content)} != described[name]:
            raise BundleError(
                f"{folder / name} has changed since it was written: {len(content)} bytes with "
                f"sha256 {_sum(content)[:12]}…, the manifest says {described[name]}; {_AGAIN}"
            )
    return contents


_AGAIN = "fetch the bundle again from where it is kept, or train again"


def _described(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is not a bundle: it has no {MANIFEST}; {_AGAIN}")
    raw = _content(path)
    try:
        manifest = orjson.loads(raw)
        number, files = manifest["format"], manifest["files"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as wrong:
        raise BundleError(f"{path} cannot be read ({wrong}); {_AGAIN}") from wrong
    if number != FORMAT:
        raise BundleError(
            f"{folder} has bundle format {number!r}, this version reads {FORMAT}; "
            f"install the version that wrote it, or train again"
        )
    # The manifest has no sum of its own; its one possible spelling stands in for it.
    if not isinstance(files, dict) or _dump(manifest) != raw:
        raise BundleError(f"{path} has changed since it was written; {_AGAIN}")
    return files


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise BundleError(f"{path} cannot be read ({wrong.strerror}); {_AGAIN}") from wrong


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
