"""The same score as a DataFrame pipeline would give it: pandas, LightGBM on frames, shap.

Written as one would write it for a lead: a frame for each list of the record, filters, groupbys and
merges on a one-row spine; the same trees and linear part, read from the bundle. Features and
probability are checked against ours before a time is quoted. (The reasons are not the same to the
last digit: shap knows nothing of bins, so the bin column keeps a share of its own, dropped here.)
"""

from __future__ import annotations

import json
import re
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import shap

from features.tables import Coded, Tables
from training.models.attribution import attribution_weights
from training.models.bundle import Bundle
from training.models.curves import incidence

WINDOWS = (7, 30, 90)
PRIOR = 20.0
ACTIVITY = ("kind", "direction", "outcome", "duration", "custom", "available_at")


def history_frame(tables: Tables) -> pd.DataFrame:
    """The company's leads as a frame, made once: what rates and loads are counted from."""
    table = tables["leads"]
    return pd.DataFrame(
        {
            name: pd.Series(c.words()) if isinstance(c, Coded) else _instants(c)
            for name, c in table.columns.items()
            if name in ("owner_id", "campaign", "outcome", "created_at", "closed_at")
        }
    )


def _instants(column: Any) -> pd.Series:
    return pd.Series(pd.to_datetime(column.astype("datetime64[us]"), utc=True))


class FramesPipeline:
    """JSON in, JSON out; the explainer, the booster and the company's history are made once."""

    def __init__(self, bundle: Bundle, tables: Tables) -> None:
        self.bundle, self.model = bundle, bundle.model
        self.history = history_frame(tables)
        owners = tables["owners"]
        self.owners = pd.DataFrame(
            {n: owners.coded(n).words() for n in ("owner_id", "team", "region")}
        ).rename(columns={"team": "owner_team", "region": "owner_region"})
        self.booster = lgb.Booster(model_str=self.model.booster)
        self.groups = {spec.name: spec.group for spec in bundle.features}
        self.explainer = shap.TreeExplainer(self.booster)

    def answer(self, raw: bytes) -> bytes:
        """Score, curve and reasons of the one lead in a request."""
        body = json.loads(raw)
        X = self._encoded(self.features(body["records"][0], pd.Timestamp(body["as_of"])))
        bins = len(self.model.edges)
        rows = X.loc[X.index.repeat(bins)].reset_index(drop=True)
        rows["bin"] = np.arange(bins, dtype=np.float64)
        trees = np.asarray(self.booster.predict(rows, raw_score=True, num_threads=1))
        linear = self._linear(X)
        level = self.model.linear.baseline + linear.sum(axis=1).to_numpy()
        margins = self.model.blend.margins(level, trees[:, 1:] - trees[:, :1])[None]
        curve = incidence(margins)[0, :, 0].tolist()
        reasons = self._reasons(rows, linear, margins)
        answer = {
            "probability": curve[-1],
            "curve": [
                {"day": day, "probability": p}
                for day, p in zip(self.model.edges, curve, strict=True)
            ],
            "reasons": [{"code": g, "effect": e} for g, e in reasons.head(5).items()],
        }
        return json.dumps(answer).encode()

    def _linear(self, X: pd.DataFrame) -> pd.DataFrame:
        """What each column adds to the linear margins: a row an outcome."""
        part = self.model.linear
        numbers = part.numbers
        names = [self.model.encoding.names[f] for f in numbers.columns]
        values = X[names]
        held = values.clip(pd.Series(numbers.low, names), pd.Series(numbers.high, names), axis=1)
        compressed = [n for n, c in zip(names, numbers.compressed, strict=True) if c]
        held[compressed] = np.log1p(held[compressed])
        held = held.sub(pd.Series(numbers.mean, names)).div(pd.Series(numbers.scale, names))
        held = held.fillna(0.0)
        absent = values.isna().astype(float) - numbers.missing
        found = pd.DataFrame(
            held.to_numpy() * part.slope + absent.to_numpy() * part.gap, columns=names
        )
        categories = [self.model.encoding.names[f] for f in part.words.columns]
        words = X[categories].to_numpy()[0]
        starts, sizes = part.words.starts, part.words.sizes
        slots = starts + np.where(np.isnan(words), sizes - 1, words).astype(np.int64)
        in_words = pd.DataFrame(part.level[:, slots], columns=categories)
        return pd.concat([found, in_words], axis=1)

    def _reasons(self, rows: pd.DataFrame, linear: pd.DataFrame, margins: Any) -> pd.Series:
        """Effects by group, largest first: shap values and coefficients through the curve."""
        weights = attribution_weights(self.model.baseline_margins, margins)[0]
        by_class = np.asarray(self.explainer.shap_values(rows))  # (bins, columns, classes)
        moved = by_class[..., 1:] - by_class[..., :1]
        of_trees = pd.Series((moved * weights[:, None, :]).sum(axis=(0, 2)), rows.columns)
        of_linear = linear.mul(weights.sum(axis=0), axis=0).sum()
        blend = self.model.blend
        effects = (blend.b * of_trees).add(blend.a * of_linear, fill_value=0.0).drop("bin")
        return (
            effects.groupby(effects.index.map(self.groups))
            .sum()
            .sort_values(key=np.abs, ascending=False)
        )

    def _encoded(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Categories as the model's codes, columns in its order."""
        X = frame.reindex(columns=self.model.encoding.names)
        for name, levels in self.model.encoding.levels.items():
            codes = pd.Categorical(X[name], categories=levels).codes.astype(np.float64) + 1
            X[name] = np.where(X[name].isna(), np.nan, codes)
        return X.astype(np.float64)

    def features(self, record: dict[str, Any], cutoff: pd.Timestamp) -> pd.DataFrame:
        """One row of features."""
        lead = dict(record["lead"])
        lead |= {f"custom_{k}": v for k, v in lead.pop("custom", {}).items()}
        spine = pd.DataFrame([lead])
        spine["created_at"] = pd.to_datetime(spine["created_at"], utc=True)
        spine["age"] = (cutoff - spine["created_at"]).dt.total_seconds() / 86400
        spine["month"] = f"{cutoff.month:02d}"
        end = pd.Timestamp(cutoff.year, 3 * ((cutoff.month - 1) // 3) + 1, 1, tz="UTC")
        end += pd.DateOffset(months=3)
        spine["days_to_quarter_end"] = (end - cutoff).total_seconds() / 86400
        spine = spine.merge(self._activities(record, cutoff), on="lead_id", how="left")
        spine = spine.merge(self._changes(record, cutoff), on="lead_id", how="left")
        spine["status"] = spine["status_now"].fillna(spine.get("status"))
        spine["owner"] = spine.get("owner_id")
        spine = spine.merge(self.owners, on="owner_id", how="left")
        spine = spine.merge(self._of_owner(cutoff), on="owner_id", how="left")
        counts = ("owner_closed_90d", "owner_load")
        spine[list(counts)] = spine[list(counts)].fillna(0.0)
        return spine.merge(self._rates(cutoff, "campaign"), on="campaign", how="left")

    def _activities(self, record: dict[str, Any], cutoff: pd.Timestamp) -> pd.DataFrame:
        acts = pd.DataFrame(record["activities"])
        acts = acts.reindex(columns=[*dict.fromkeys([*acts.columns, *ACTIVITY])])
        own = [c if isinstance(c, dict) else {} for c in acts.pop("custom")]
        acts = pd.concat([acts, pd.DataFrame(own, index=acts.index)], axis=1)
        for name in ("pages", "sessions"):
            if name not in acts:
                acts[name] = np.nan
        for name in ("occurred_at", "available_at"):
            acts[name] = pd.to_datetime(acts[name], utc=True, format="ISO8601")
        acts["available_at"] = acts["available_at"].fillna(acts["occurred_at"])
        known = acts[["occurred_at", "available_at"]].max(axis=1) < cutoff
        acts = acts[known & acts["occurred_at"].notna()].sort_values("occurred_at", kind="stable")
        acts["days"] = (cutoff - acts["occurred_at"]).dt.total_seconds() / 86400
        acts["day"] = acts["occurred_at"].dt.floor("D")
        grouped = acts.groupby("lead_id")
        parts = [
            grouped.agg(
                activities_total=("kind", "size"),
                days_since_activity=("days", "min"),
                days_since_first_activity=("days", "max"),
                activity_kinds=("kind", "nunique"),
            ),
            acts.groupby("lead_id")
            .tail(1)
            .set_index("lead_id")[["kind", "outcome"]]
            .rename(columns={"kind": "last_activity_kind", "outcome": "last_activity_outcome"}),
            grouped[["pages", "sessions"]].last().add_prefix("activity_").add_suffix("_last"),
            self._pivot(acts, "kind", "{}_total"),
            self._since(acts, "kind"),
            self._since(acts, "direction"),
        ]
        for days in WINDOWS:
            parts += self._window(acts[acts["days"] <= days], days)
        sixty = acts[acts["days"] <= 60].groupby("lead_id").size()
        found = pd.concat(parts, axis=1)
        found["activity_trend"] = 2 * found["activities_30d"].fillna(0) - sixty
        wanted = [n for n in self.model.encoding.names if _counts(n)]
        found = found.reindex(columns=[*found.columns, *(n for n in wanted if n not in found)])
        found[wanted] = found[wanted].fillna(0.0)
        return found.reset_index(names="lead_id")

    def _window(self, acts: pd.DataFrame, days: int) -> list[pd.DataFrame]:
        grouped = acts.groupby("lead_id")
        sums = grouped[["duration", "pages", "sessions"]].sum()
        sums.columns = [f"activity_minutes_{days}d", f"activity_pages_sum_{days}d",
                        f"activity_sessions_sum_{days}d"]  # fmt: skip
        parts = [
            grouped.size().to_frame(f"activities_{days}d"),
            sums,
            self._pivot(acts, "kind", f"{{}}_{days}d"),
            self._pivot(acts, "direction", f"{{}}_{days}d"),
        ]
        if days == 30:
            parts.append(grouped["day"].nunique().to_frame("active_days_30d"))
        if days == 90:
            means = grouped[["pages", "sessions"]].mean()
            parts.append(means.add_prefix("activity_").add_suffix("_mean_90d"))
        return parts

    def _pivot(self, acts: pd.DataFrame, by: str, name: str) -> pd.DataFrame:
        counts = acts.groupby(["lead_id", by]).size().unstack(fill_value=0)
        return counts.rename(columns=name.format)

    def _since(self, acts: pd.DataFrame, by: str) -> pd.DataFrame:
        days = acts.groupby(["lead_id", by])["days"].min().unstack()
        return days.rename(columns="days_since_{}".format)

    def _changes(self, record: dict[str, Any], cutoff: pd.Timestamp) -> pd.DataFrame:
        changes = pd.DataFrame(record["changes"])
        changes["changed_at"] = pd.to_datetime(changes["changed_at"], utc=True, format="ISO8601")
        moves = changes[(changes["field"] == "status") & (changes["changed_at"] < cutoff)]
        moves = moves.sort_values("changed_at", kind="stable")
        days = (cutoff - moves["changed_at"]).dt.total_seconds() / 86400
        grouped = moves.assign(days=days, recent=(days <= 30).astype(float)).groupby("entity_id")
        return grouped.agg(
            days_in_status=("days", "min"),
            status_moves=("days", "size"),
            status_moves_30d=("recent", "sum"),
            status_now=("value", "last"),
        ).reset_index(names="lead_id")

    def _of_owner(self, cutoff: pd.Timestamp) -> pd.DataFrame:
        leads = self.history
        closed = leads[leads["closed_at"] < cutoff]
        recent = closed[closed["closed_at"] >= cutoff - pd.Timedelta(days=90)]
        begun = leads[leads["created_at"] < cutoff].groupby("owner_id").size()
        rates = self._rates(cutoff, "owner_id").set_index("owner_id")
        return pd.DataFrame(
            {
                "owner_rate": rates["owner_id_rate"],
                "owner_closed_90d": recent.groupby("owner_id").size(),
                "owner_load": begun.sub(closed.groupby("owner_id").size(), fill_value=0),
            }
        ).reset_index(names="owner_id")

    def _rates(self, cutoff: pd.Timestamp, by: str) -> pd.DataFrame:
        leads = self.history
        closed = leads[leads["closed_at"] < cutoff].assign(
            won=lambda f: (f["outcome"] == "converted").astype(float)
        )
        of_all = (closed["won"].sum() + 1) / (closed["outcome"].notna().sum() + 2)
        found = closed.groupby(by)["won"].agg(["sum", "size"])
        rate = (found["sum"] + PRIOR * of_all) / (found["size"] + PRIOR)
        return rate.to_frame(f"{by}_rate").reset_index(names=by)


def _counts(name: str) -> bool:
    """Features that are 0, not missing, where nothing happened."""
    counted = bool(re.search(r"_(\d+d|total)$", name)) or name in (
        "activity_kinds",
        "activity_trend",
    )
    spared = ("status", "owner", "activity_pages_mean", "activity_sessions_mean")
    return counted and not name.startswith(spared)
