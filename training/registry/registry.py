"""Where runs and bundles are kept, and which version answers: log, register, promote, load.

The only importer of mlflow, which costs seconds. A model version's source is the run's artifact
folder ``bundle``: text and JSON with sums, so nothing here is ever unpickled. Aliases: *champion*
answers, *challenger* is the newest, *previous* is what ``rollback`` returns to.

``root`` is the folder that holds ``mlruns``; the working directory unless given.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient, artifacts
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.telemetry import set_telemetry_client

from training.models import bundle as bundles
from training.models.bundle import Bundle
from training.registry.local import local_bundle
from training.registry.runs import JUDGED, REPORT, TrainingRun, metrics, write_files

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"

_LIMITS = {"metrics": 1000, "params": 100, "tags": 100}  # mlflow's, for one batch


class RegistryError(LookupError):
    """What was asked for is not in the registry; the message says what is."""


class PromotionRefused(RuntimeError):  # noqa: N818  # a decision, not a fault
    """The version's own evaluation says that it should not answer."""


@dataclass(frozen=True)
class Registered:
    """A version of a registered model, and the run it came from."""

    name: str
    version: int
    run_id: str


def tracking_uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI, else a database in ``root``/mlruns; absolute, so cwd does not matter."""
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    return given or f"sqlite:///{root.resolve() / 'mlruns' / 'mlflow.db'}"


def log_run(run: TrainingRun, root: Path = Path()) -> Registered:
    """Keep a run with its bundle, and register it as the next version, alias *challenger*.

    The registered model is named as the question. A run that fails on the way is kept as FAILED
    and registers nothing.
    """
    client, name = _client(root), run.bundle.name
    kept = client.create_run(_experiment(client, name, root), run_name=run.bundle.version)
    run_id = str(kept.info.run_id)
    try:
        _log_values(client, run_id, run, int(kept.info.start_time))
        with tempfile.TemporaryDirectory() as folder:
            write_files(run, Path(folder))
            client.log_artifacts(run_id, folder)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    _ensure_model(client, name)
    source = f"{kept.info.artifact_uri}/bundle"
    made = client.create_model_version(name, source, run_id=run_id, tags=_tags(run.bundle))
    client.set_registered_model_alias(name, CHALLENGER, str(made.version))
    return Registered(name, int(made.version), run_id)


def promote(
    name: str,
    version: int | str,
    reason: str | None = None,
    force: bool = False,
    root: Path = Path(),
) -> None:
    """Let a version answer; the champion before it becomes *previous*.

    PromotionRefused if its evaluation found no skill, unless ``force`` comes with a ``reason``,
    which is kept with the version. The bundle is read first: a damaged one is a BundleError.
    """
    client = _client(root)
    found = _version(client, name, version)
    bundle = bundles.read(_folder(found, root))
    if not bundle.promotable:
        if not (force and reason):
            raise PromotionRefused(
                f"{name} version {version} may not be promoted: {bundle.verdict} "
                f"To overrule this, force the promotion and give a reason, which is kept"
            )
        client.set_model_version_tag(name, str(found.version), "overruled", bundle.verdict)
    if reason:
        client.set_model_version_tag(name, str(found.version), "promotion_reason", reason)
    _set_champion(client, name, int(found.version))


def rollback(name: str, reason: str | None = None, root: Path = Path()) -> int:
    """Let the previous champion answer again and return its version; rolling back twice redoes."""
    client = _client(root)
    aliases = _aliases(client, name)
    champion, previous = aliases.get(CHAMPION), aliases.get(PREVIOUS)
    if previous is None or previous == champion:
        held = _held(client, name)
        raise RegistryError(f"{name} has no previous champion to return to; there is {held}")
    bundles.read(_folder(_version(client, name, previous), root))
    if reason and champion is not None:
        client.set_model_version_tag(name, str(champion), "rollback_reason", reason)
    _set_champion(client, name, previous)
    return previous


def load(name: str, alias: str = CHAMPION, root: Path = Path()) -> Bundle:
    """The bundle behind an alias; RegistryError if nothing has it."""
    return bundles.read(_folder(_behind(_client(root), name, alias), root))


def judged(name: str, root: Path = Path()) -> Bundle:
    """The champion as it was judged: it has not seen the newest period of its data.

    What answers has learned from every row, so that it cannot be compared on rows of that time. A
    version logged without it was judged as it is. RegistryError if there is no champion.
    """
    found = _behind(_client(root), name, CHAMPION)
    with contextlib.suppress(MlflowException, OSError):
        return bundles.read(_folder(found, root, JUDGED))
    return bundles.read(_folder(found, root))


def champion_folder(name: str, root: Path = Path()) -> Path:
    """The champion's bundle as a local folder that stays: where it is kept, or fetched once."""
    return _folder(_behind(_client(root), name, CHAMPION), root)


def report_of(name: str, root: Path = Path()) -> str:
    """The report of the version that answers, or, before any promotion, of the newest: HTML.

    RegistryError where the model is unknown or its run was logged without a report.
    """
    client = _client(root)
    alias = CHAMPION if CHAMPION in _aliases(client, name) else CHALLENGER
    found = _behind(client, name, alias)
    beside = _folder(found, root).parent / REPORT
    if not beside.is_file():
        with contextlib.suppress(MlflowException, OSError), tempfile.TemporaryDirectory() as into:
            source = f"{str(found.source).removesuffix('/bundle')}/{REPORT}"
            got = artifacts.download_artifacts(
                source, dst_path=into, tracking_uri=tracking_uri(root)
            )
            return Path(got).read_text(encoding="utf-8")
        raise RegistryError(
            f"{name} version {found.version} was logged without a report; train it again"
        )
    return beside.read_text(encoding="utf-8")


def list_models(root: Path = Path()) -> pd.DataFrame:
    """Every version, by name and newest first.

    Columns: name, version, aliases, promotable, verdict, bundle_version, run_id, created (UTC).
    """
    client = _client(root)
    rows: list[dict[str, Any]] = []
    for model in client.search_registered_models(max_results=1000):
        aliases = _aliases(client, model.name)
        rows += [_row(v, aliases) for v in _versions(client, model.name)]
    names = ["name", "version", "aliases", "promotable", "verdict", "bundle_version", "run_id"]
    return pd.DataFrame(rows, columns=[*names, "created"])


def _row(found: Any, aliases: dict[str, int]) -> dict[str, Any]:
    version, tags = int(found.version), found.tags
    return {
        "name": found.name,
        "version": version,
        "aliases": ", ".join(sorted(a for a, v in aliases.items() if v == version)),
        "promotable": tags.get("promotable") == "true",
        "verdict": tags.get("verdict", ""),
        "bundle_version": tags.get("bundle_version", ""),
        "run_id": found.run_id,
        "created": pd.Timestamp(found.creation_timestamp, unit="ms", tz="UTC"),
    }


def _client(root: Path) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # mlflow made what calls home while it was being imported; made anew, it obeys the variable.
    set_telemetry_client()  # type: ignore[no-untyped-call]
    for noisy in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        (root.resolve() / "mlruns").mkdir(parents=True, exist_ok=True)
    uri = tracking_uri(root)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _experiment(client: MlflowClient, name: str, root: Path) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return str(client.create_experiment(name))  # a server keeps artifacts where it is told
    place = (root.resolve() / "mlruns" / "artifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def _log_values(client: MlflowClient, run_id: str, run: TrainingRun, at: int) -> None:
    """Metrics, parameters and tags in batches mlflow accepts; the fingerprint as its input."""
    fingerprint = str(run.bundle.trained_on.get("fingerprint", ""))
    tags = {"fingerprint": fingerprint, **_tags(run.bundle), **run.tags}
    values: dict[str, list[Any]] = {
        "metrics": [Metric(key, value, at, 0) for key, value in metrics(run).items()],
        "params": [Param(key, str(value)) for key, value in run.params.items()],
        "tags": [RunTag(key, value) for key, value in tags.items()],
    }
    for kind, listed in values.items():
        for start in range(0, len(listed), _LIMITS[kind]):
            some: dict[str, Any] = {kind: listed[start : start + _LIMITS[kind]]}
            client.log_batch(run_id, **some)
    if fingerprint:
        # mlflow's digests have at most 36 characters; the tag has the whole fingerprint.
        data = Dataset(run.bundle.meta.mapping or "crm", fingerprint[:36], "canonical", "{}")
        used_for = [InputTag("mlflow.data.context", "training")]
        client.log_inputs(run_id, [DatasetInput(data, used_for)])


def _tags(bundle: Bundle) -> dict[str, str]:
    return {
        "bundle_version": bundle.version,
        "verdict": bundle.verdict,
        "promotable": "true" if bundle.promotable else "false",
    }


def _ensure_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as exists:
        if exists.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _versions(client: MlflowClient, name: str) -> list[Any]:
    found = client.search_model_versions(f"name = '{name}'", max_results=10_000)
    return sorted(found, key=lambda v: -int(v.version))


def _held(client: MlflowClient, name: str) -> str:
    aliases = _aliases(client, name)
    rows = [_row(v, aliases) for v in _versions(client, name)]
    texts = [f"version {r['version']} ({r['aliases'] or 'no alias'})" for r in rows]
    return ", ".join(texts) or "no version of it: train one first"


def _aliases(client: MlflowClient, name: str) -> dict[str, int]:
    try:
        found = client.get_registered_model(name).aliases
    except MlflowException as missing:
        if missing.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
    return {alias: int(version) for alias, version in found.items()}


def _version(client: MlflowClient, name: str, version: int | str) -> Any:
    found = [v for v in _versions(client, name) if str(v.version) == str(version)]
    if not found:
        raise RegistryError(f"{name} has no version {version}; there is {_held(client, name)}")
    return found[0]


def _behind(client: MlflowClient, name: str, alias: str) -> Any:
    # mlflow tells Champion from champion and would keep both.
    version = _aliases(client, name).get(alias.lower())
    if version is None:
        held = _held(client, name)
        raise RegistryError(
            f"{name} has no {alias.lower()}; there is {held}. A version becomes champion by "
            f"`python -m training promote`"
        )
    return _version(client, name, version)


def _set_champion(client: MlflowClient, name: str, version: int) -> None:
    aliases = _aliases(client, name)
    champion = aliases.get(CHAMPION)
    if champion == version:
        return
    if champion is not None:
        client.set_registered_model_alias(name, PREVIOUS, str(champion))
    client.set_registered_model_alias(name, CHAMPION, str(version))
    if aliases.get(CHALLENGER) == version:
        client.delete_registered_model_alias(name, CHALLENGER)


def _folder(found: Any, root: Path, part: str = "bundle") -> Path:
    """The version's bundle, or the judged one beside it, on this machine."""

    def download(source: str, into: str) -> str:
        uri = tracking_uri(root)
        return str(artifacts.download_artifacts(source, dst_path=into, tracking_uri=uri))

    source = f"{str(found.source).removesuffix('/bundle')}/{part}"
    name = f"{found.name}-{found.version}" + ("" if part == "bundle" else f"-{part}")
    return local_bundle(source, name, root, download)
