"""Every figure in SQL, written from the words of docs/figures.md, not from the code.

``answers`` maps groups to value and n; the connection is of tests/helpers/figures_views.py.
"""

from __future__ import annotations

import re

import duckdb
import numpy as np
import pandas as pd

MARGIN, DISCOUNT = 0.7, 0.1
LOG_DISCOUNT = float(np.log1p(DISCOUNT) / 12)


def _days(since: str, until: str) -> str:
    return f"date_diff('microsecond', {since}, {until}) / 864e8"


def _median(cases: str) -> str:
    """The Kaplan-Meier median of cases (g, days, ended)."""
    return f"""
    WITH x AS ({cases}),
    t AS (SELECT g, days, count(*) AS away, sum(ended::INT) AS d FROM x GROUP BY ALL),
    r AS (SELECT *, sum(away) OVER (PARTITION BY g ORDER BY days DESC) AS n FROM t),
    s AS (SELECT g, days, exp(sum(CASE WHEN d = n THEN -1e3 ELSE ln(1 - d / n) END)
            OVER (PARTITION BY g ORDER BY days)) AS s, d FROM r)
    SELECT x.g, any_value(m.value) AS value, count(*) AS n FROM x LEFT JOIN
      (SELECT g, min(days) FILTER (s <= 0.5 + 1e-9 AND d > 0) AS value FROM s GROUP BY g) m
      ON x.g IS NOT DISTINCT FROM m.g GROUP BY x.g"""


def _chance(cases: str, horizon: int) -> str:
    """Aalen-Johansen incidence by the horizon of cases (g, days, good, bad)."""
    return f"""
    WITH x AS ({cases}),
    t AS (SELECT g, days, count(*) AS away, sum(good::INT) AS d, sum((good OR bad)::INT) AS e
          FROM x GROUP BY ALL),
    r AS (SELECT *, sum(away) OVER (PARTITION BY g ORDER BY days DESC) AS n FROM t),
    s AS (SELECT *, coalesce(exp(sum(CASE WHEN e = n THEN -1e3 ELSE ln(1 - e / n) END) OVER
            (PARTITION BY g ORDER BY days ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)), 1)
            AS before FROM r)
    SELECT g, CASE WHEN max(days) >= {horizon} THEN
      coalesce(sum(before * d / n) FILTER (days <= {horizon}), 0) END AS value,
      sum(away) AS n FROM s GROUP BY g"""


def _area(cases: str, until: str, discount: float) -> str:
    """∫ S(t) e^(-discount t) of cases (g, days, ended) from 0 to ``until`` (or the longest)."""
    weight = (
        "upto - days"
        if not discount
        else (f"(exp(-{discount} * days) - exp(-{discount} * upto)) / {discount}")
    )
    return f"""
    WITH x AS ({cases}),
    t AS (SELECT g, days, count(*) AS away, sum(ended::INT) AS d FROM x GROUP BY ALL
          UNION ALL SELECT DISTINCT g, 0.0, 0, 0 FROM x),
    r AS (SELECT *, sum(away) OVER (PARTITION BY g ORDER BY days DESC) AS n,
          least({until}, max(days) OVER (PARTITION BY g)) AS stop FROM t),
    s AS (SELECT g, days, exp(sum(CASE WHEN d = n AND n > 0 THEN -1e3 WHEN n = 0 THEN 0
            ELSE ln(1 - d / n) END) OVER (PARTITION BY g ORDER BY days)) AS s, stop FROM r),
    u AS (SELECT *, least(stop, lead(days, 1, stop) OVER (PARTITION BY g ORDER BY days)) AS upto
          FROM s WHERE days < stop)
    SELECT u.g, sum(s * ({weight})) AS value,
      (SELECT count(*) FROM x WHERE x.g IS NOT DISTINCT FROM u.g) AS n FROM u GROUP BY u.g"""


def sql(figure: str, by: str, s: str, e: str, a: str, order: list[str]) -> str:
    """The query of a figure: window [s, e) and instant a as SQL timestamps, stages in order."""
    g = f"{by} AS g" if by else "NULL::VARCHAR AS g"
    won = f"FROM deals_at({a}) WHERE outcome = 'won' AND closed >= {s} AND closed < {e}"
    open_ = f"FROM deals_at({e}) WHERE is_open"
    stage = f"list_position({order}, stage)"
    dest = f"CASE WHEN dest = 'won' THEN 99 ELSE coalesce(list_position({order}, dest), 0) END"
    born = f"created >= {s} AND created < {e}"
    life = f"{_days('created', f'coalesce(closed, {a})')} AS days"
    tenure = f"""SELECT {g}, {_days("since", f"coalesce(gone, {e})")} / (365.25 / 12) AS days,
        gone IS NOT NULL AS ended FROM accounts_at({e}) WHERE since IS NOT NULL"""
    at_start = f"FROM accounts_at({a}) WHERE since < {s} AND (gone IS NULL OR gone >= {s})"
    revenue = f"""FROM accounts_at({a}) x JOIN paying({s}, {a}) f USING (id)
        LEFT JOIN paying({e}, {a}) l USING (id) WHERE f.mrr > 0"""
    og = f"{'owner_region' if by == 'region' else by} AS g" if by else g
    quota = """SELECT q.owner_id AS owner, o.team, o.region, amount * fx(currency, period_start_at)
        AS amount, period_start_at AS f, period_end_at AS u FROM quotas q
        LEFT JOIN owners_at({t}) o USING (owner_id) WHERE period_start_at <= {t}"""
    queries = {
        "win_rate": f"""SELECT {g}, avg((outcome = 'won')::INT) AS value, count(*) AS n
            FROM deals_at({a}) WHERE closed >= {s} AND closed < {e} AND outcome IS NOT NULL
            GROUP BY g""",
        "win_by_180d": _chance(
            f"""SELECT {g}, {life}, coalesce(outcome = 'won', false) AS good,
            closed IS NOT NULL AND coalesce(outcome != 'won', true) AS bad
            FROM deals_at({a}) WHERE {born}""",
            180,
        ),
        "stage_conversion": f"""SELECT {g}, avg(({dest} > {stage})::INT) AS value, count(*) AS n
            FROM stays_at({a}) WHERE gone >= {s} AND gone < {e} GROUP BY g""",
        "lead_conversion": f"""SELECT {g}, avg((outcome = 'converted')::INT) AS value,
            count(*) AS n FROM leads_at({a}) WHERE closed >= {s} AND closed < {e}
            AND outcome IS NOT NULL GROUP BY g""",
        "lead_conversion_90d": _chance(
            f"""SELECT {g}, {life}, coalesce(outcome = 'converted', false) AS good,
            closed IS NOT NULL AND coalesce(outcome != 'converted', true) AS bad
            FROM leads_at({a}) WHERE {born}""",
            90,
        ),
        "sales_cycle": _median(
            f"SELECT {g}, {life}, closed IS NOT NULL AS ended FROM deals_at({a}) WHERE {born}"
        ),
        "days_to_win": f"""SELECT {g}, quantile_cont({_days("created", "closed")}, 0.5) AS value,
            count(*) AS n {won} GROUP BY g""",
        "deal_size": f"SELECT {g}, avg(booked) AS value, count(booked) AS n {won} GROUP BY g",
        "typical_deal_size": f"""SELECT {g}, quantile_cont(booked, 0.5) AS value,
            count(booked) AS n {won} GROUP BY g""",
        "bookings": f"SELECT {g}, sum(booked) AS value, count(booked) AS n {won} GROUP BY g",
        "deals_created": f"""SELECT {g}, count(*) AS value, count(*) AS n FROM deals_at({a})
            WHERE {born} GROUP BY g""",
        "growth": _growth(g, a, s, e, f"{s} - ({e} - {s})", s),
        "growth_over_year": _growth(g, a, s, e, f"{s} - INTERVAL 1 YEAR", f"{e} - INTERVAL 1 YEAR"),
        "deals_open": f"SELECT {g}, count(*) AS value, count(*) AS n {open_} GROUP BY g",
        "pipeline_value": f"""SELECT {g}, sum(amount) AS value, count(amount) AS n {open_}
            GROUP BY g""",
        "weighted_pipeline": f"""WITH p AS (SELECT stage, avg((outcome = 'won')::INT) AS p FROM
              (SELECT DISTINCT id, stage, outcome FROM stays_at({e}) WHERE outcome IS NOT NULL)
              GROUP BY stage)
            SELECT {g}, sum(amount * p) AS value, count(amount * p) AS n
            FROM deals_at({e}) LEFT JOIN p USING (stage) WHERE is_open GROUP BY g""",
        "pipeline_coverage": f"""WITH q AS ({quota.format(t=e)}),
            run AS (SELECT * FROM q WHERE f <= {e} AND u > {e}),
            now AS (SELECT * FROM run UNION ALL SELECT * FROM q
              WHERE f < {e} AND u = {e} AND NOT EXISTS (SELECT 1 FROM run)),
            so AS (SELECT now.*, greatest(0, amount - coalesce((SELECT sum(d.booked) FROM
              deals_at({e}) d WHERE d.owner = now.owner AND d.outcome = 'won' AND d.closed >= now.f
              ), 0)) AS rest FROM now),
            due AS (SELECT {og}, sum(amount) AS amount, count(amount) AS n FROM deals_at({e}) d
              WHERE is_open AND due < (SELECT max(u) FROM now WHERE now.owner = d.owner)
              GROUP BY g),
            need AS (SELECT {g}, sum(rest) AS rest FROM so GROUP BY g)
            SELECT coalesce(due.g, need.g) AS g,
              CASE WHEN rest > 0 THEN coalesce(amount, 0) / rest END AS value,
              coalesce(n, 0) AS n FROM due FULL JOIN need ON due.g IS NOT DISTINCT FROM need.g""",
        "pipeline_velocity": _velocity(g, e, life, a),
        "slippage": f"""WITH p AS ({_each_month(_PROMISES, s, e, g, a)}) SELECT g,
            avg(late::INT) AS value, count(*) AS n FROM p GROUP BY g""",
        "people_forecast_error": f"""WITH p AS ({_each_month(_CALLS, s, e, g, a, whole=True)}),
            m AS (SELECT g, month, sum(said) AS said, sum(came) AS came FROM p GROUP BY ALL)
            SELECT g, CASE WHEN sum(came) > 0 THEN sum(abs(said - came)) / sum(came) END AS value,
            count(*) AS n FROM m GROUP BY g""",
        "pushes": f"""WITH c AS (SELECT entity_id AS id, count(*) AS k FROM changes
              WHERE entity = 'deals' AND field = 'expected_close_at' AND changed_at < {e}
              AND value::TIMESTAMPTZ > old_value::TIMESTAMPTZ GROUP BY entity_id)
            SELECT {g}, avg(coalesce(k, 0)) AS value, count(*) AS n
            FROM deals_at({e}) LEFT JOIN c USING (id) WHERE is_open GROUP BY g""",
        "lead_response": _median(
            f"""SELECT {g}, 24 * {_days("created", f"coalesce(t, closed, {a})")} AS days,
            t IS NOT NULL AS ended FROM leads_at({a}) l LEFT JOIN LATERAL (
              SELECT min(x.occurred_at) AS t FROM acts_at({a}) x WHERE x.lead_id = l.id
              AND x.occurred_at >= l.created AND x.occurred_at <= coalesce(l.closed, {a})
              AND (x.direction = 'outbound' OR (x.direction IS NULL AND x.kind IN
                ('call', 'email', 'meeting')))) ON true WHERE {born}"""
        ),
        "activities": f"""SELECT {g}, count(*) AS value, count(*) AS n FROM acts_at({a})
            WHERE occurred_at >= {s} AND occurred_at < {e} GROUP BY g""",
        "quota_attainment": f"""WITH q AS (SELECT *, amount * greatest(0,
              {_days(f"greatest(f, {s})", f"least(u, {e})")}) / ({_days("f", "u")}) AS part
              FROM ({quota.format(t=a)}) WHERE f < {e} AND u > {s}),
            need AS (SELECT {g}, sum(part) AS part FROM q GROUP BY g),
            done AS (SELECT {og}, sum(booked) AS booked, count(booked) AS n {won}
              AND owner IN (SELECT owner FROM q) GROUP BY g)
            SELECT coalesce(done.g, need.g) AS g, coalesce(booked, 0) / part AS value,
              coalesce(n, 0) AS n FROM done FULL JOIN need ON done.g IS NOT DISTINCT FROM need.g""",
        "logo_churn": f"""SELECT {g}, avg(coalesce(gone < {e}, false)::INT) AS value,
            count(*) AS n {at_start} GROUP BY g""",
        "logo_retention": f"""SELECT {g}, avg(coalesce(gone >= {e}, true)::INT) AS value,
            count(*) AS n {at_start} GROUP BY g""",
        "win_back_rate": f"""SELECT {g}, 0.0 AS value, count(*) AS n
            FROM accounts_at({a}) WHERE gone < {s} GROUP BY g""",
        "net_revenue_retention": f"""SELECT {g}, sum(coalesce(l.mrr, 0)) / sum(f.mrr) AS value,
            count(*) AS n {revenue} GROUP BY g""",
        "gross_revenue_retention": f"""SELECT {g}, sum(least(coalesce(l.mrr, 0), f.mrr)) /
            sum(f.mrr) AS value, count(*) AS n {revenue} GROUP BY g""",
        "customer_lifetime": _area(tenure, "60", 0.0),
        "customer_lifetime_value": f"""WITH area AS ({_area(tenure, "60", LOG_DISCOUNT)}),
            paid AS (SELECT {g}, avg(mrr) AS mrr FROM accounts_at({e}) JOIN paying({e}, {e})
              USING (id) WHERE since IS NOT NULL AND gone IS NULL GROUP BY g)
            SELECT area.g, {MARGIN} * mrr * value AS value, n FROM area LEFT JOIN paid
              ON paid.g IS NOT DISTINCT FROM area.g""",
        "return_on_plan": f"""SELECT {g}, ({MARGIN} * (20 * avg((outcome = 'won')::INT) + 0.02 *
            count(*)) * avg(booked) - 10000) / 10000 AS value, count(*) AS n FROM deals_at({a})
            WHERE closed >= {s} AND closed < {e} AND outcome IS NOT NULL GROUP BY g""",
        "acquisition_cost": f"""WITH first AS (SELECT source, closed, row_number() OVER
              (PARTITION BY coalesce(account_id, id) ORDER BY closed, id) AS nth
              FROM deals_at({a}) WHERE outcome = 'won'),
            came AS (SELECT {g}, count(*) AS n FROM first WHERE nth = 1 AND closed >= {s}
              AND closed < {e} GROUP BY g),
            spent AS (SELECT {g}, sum(cost * {_days(f"greatest(f, {s})", f"least(u, {e})")}
              / ({_days("f", "u")})) AS cost FROM costs WHERE f < {e} AND u > {s} GROUP BY g)
            SELECT coalesce(came.g, spent.g) AS g, cost / n AS value, coalesce(n, 0) AS n
            FROM came FULL JOIN spent ON came.g IS NOT DISTINCT FROM spent.g""",
        "account_penetration": f"""SELECT {g}, avg((since IS NOT NULL AND gone IS NULL)::INT)
            AS value, count(*) AS n FROM accounts_at({e}) GROUP BY g""",
        "product_penetration": _products(g, e),
    }
    return queries[figure]


_PROMISES = """SELECT {g}, coalesce(later.closed >= {u}, true) AS late
    FROM deals_at({m}) d JOIN (SELECT id, closed FROM deals_at({a})) later USING (id)
    WHERE is_open AND due >= {m} AND due < {u}"""
_CALLS = """SELECT {g}, {m} AS month, CASE WHEN category = 'commit' THEN amount ELSE 0 END AS said,
      0 AS came FROM deals_at({m}) WHERE is_open AND due >= {m} AND due < {u}
    UNION ALL SELECT {g}, {m}, 0, booked FROM deals_at({a})
      WHERE outcome = 'won' AND closed >= {m} AND closed < {u}"""


def _each_month(body: str, s: str, e: str, g: str, a: str, whole: bool = False) -> str:
    """``body`` for each month [m, u) that starts in the window, u cut at its end."""
    start, end = (pd.Timestamp(t.removeprefix("TIMESTAMPTZ ").strip("'")) for t in (s, e))
    parts = []
    for month in pd.date_range(start.ceil("D"), end, freq="MS", inclusive="left"):
        until = min(month + pd.DateOffset(months=1), end)
        if not whole or until == month + pd.DateOffset(months=1):
            parts.append(body.format(g=g, a=a, m=instant(month), u=instant(until)))
    return " UNION ALL ".join(parts)


def instant(at: pd.Timestamp) -> str:
    """An instant as a SQL literal."""
    return f"TIMESTAMPTZ '{at.isoformat()}'"


def _growth(g: str, a: str, s: str, e: str, s0: str, e0: str) -> str:
    now, then = f"closed >= {s} AND closed < {e}", f"closed >= {s0} AND closed < {e0}"
    return f"""SELECT {g}, sum(booked) FILTER ({now}) / sum(booked) FILTER ({then}) - 1 AS value,
        count(booked) FILTER ({now} OR {then}) AS n FROM deals_at({a})
        WHERE outcome = 'won' AND ({now} OR {then}) GROUP BY g"""


def _velocity(g: str, e: str, life: str, a: str) -> str:
    year = f"{e} - INTERVAL 365 DAY"
    cycle = _median(
        f"""SELECT {g}, {life.replace(a, e)}, closed IS NOT NULL AS ended FROM deals_at({e})
        WHERE created >= {year}"""
    )
    return f"""WITH c AS ({cycle}), r AS (SELECT {g}, count(*) FILTER (is_open) AS n,
          avg((outcome = 'won')::INT) FILTER (closed >= {year}) AS p,
          avg(booked) FILTER (closed >= {year}) AS size,
          count(*) FILTER (is_open OR closed >= {year} OR created >= {year}) AS cases
          FROM deals_at({e}) GROUP BY g)
        SELECT r.g, r.n * p * size / c.value AS value, cases AS n
        FROM r LEFT JOIN c ON c.g IS NOT DISTINCT FROM r.g WHERE cases > 0"""


def _products(g: str, e: str) -> str:
    return f"""WITH has AS (SELECT DISTINCT account_id AS id, product FROM subscriptions
          WHERE getvariable('contracts') AND started_at < {e} AND (ended_at IS NULL OR
          ended_at >= {e}) UNION SELECT DISTINCT account_id, product FROM deals_at({e})
          WHERE NOT getvariable('contracts') AND outcome = 'won' AND account_id IS NOT NULL),
        list AS (SELECT DISTINCT product FROM has WHERE product IS NOT NULL),
        pairs AS (SELECT x.*, product FROM accounts_at({e}) x, list
          WHERE since IS NOT NULL AND gone IS NULL)
        SELECT {g}, avg((has.id IS NOT NULL)::INT) AS value, count(*) AS n FROM pairs
        LEFT JOIN has USING (id, product) GROUP BY g"""


def _kept(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The query with what was known at an instant computed once for all queries."""
    for call, name, at in set(re.findall(r"((\w+_at)\((TIMESTAMPTZ '[^']+')\))", query)):
        table = f"{name}_{re.sub(r'[^0-9]', '', at)}"
        connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table} AS FROM {call}")
        query = query.replace(call, table)
    return query


def answers(
    connection: duckdb.DuckDBPyConnection,
    figure: str,
    by: str,
    span: tuple[pd.Timestamp, pd.Timestamp],
    as_of: pd.Timestamp,
    order: list[str],
) -> dict[str | None, tuple[float, int]]:
    """Group -> value (NaN for none) and n of a figure over the window ``span``."""
    start, end, now = (instant(t) for t in (*span, as_of))
    query = sql(figure, by, start, end, now, order)
    rows = connection.execute(_kept(connection, query)).fetchall()
    return {g: (float("nan") if value is None else float(value), int(n)) for g, value, n in rows}
