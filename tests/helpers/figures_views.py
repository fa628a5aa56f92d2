"""The canonical tables as SQL views, and macros of what was known before an instant.

Written from the words of docs/figures.md: ``deals_at(t)``, ``leads_at(t)``, ``stays_at(t)``,
``accounts_at(t)``, ``owners_at(t)``, ``acts_at(t)``, ``paying(t, known_by)``.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.schema import TABLES

_TYPES = {"number": pa.float64(), "boolean": pa.float64(), "instant": pa.timestamp("us", tz="UTC")}

_MACROS = """
CREATE MACRO known(born, available) AS greatest(born, coalesce(available, born));
CREATE MACRO fx(cur, t) AS CASE WHEN cur IS NULL OR cur = getvariable('home') THEN 1.0 ELSE (
    SELECT last(r.rate ORDER BY r.rate_at) FROM fx_rates r WHERE r.currency = cur AND r.rate_at < t)
  END;
CREATE MACRO replay(f, t) AS TABLE
  SELECT entity_id AS id, true AS told, coalesce(bool_or(changed_at < t), false) AS moved,
    last(value ORDER BY changed_at, rn) FILTER (changed_at < t) AS new,
    first(old_value ORDER BY changed_at, rn) AS old
  FROM (SELECT *, row_number() OVER () AS rn FROM changes) c
  WHERE entity = 'deals' AND field = f GROUP BY entity_id;
CREATE MACRO was(told, moved, new, old, now_) AS
  CASE WHEN moved THEN new WHEN told THEN old ELSE now_ END;
CREATE MACRO owners_at(t) AS TABLE SELECT * FROM owners WHERE started_at IS NULL OR started_at < t;
CREATE MACRO leads_at(t) AS TABLE
  SELECT l.lead_id AS id, l.owner_id AS owner, o.team, coalesce(l.region, o.region) AS region,
    l.source, a.segment, l.created_at AS created,
    CASE WHEN l.closed_at < t THEN l.closed_at END AS closed,
    CASE WHEN l.closed_at < t THEN l.outcome END AS outcome
  FROM leads l LEFT JOIN owners_at(t) o USING (owner_id) LEFT JOIN accounts a USING (account_id)
  WHERE known(l.created_at, l.available_at) < t;
CREATE MACRO deals_at(t) AS TABLE
  WITH d AS (
    SELECT d.*, o.team, coalesce(d.region, o.region) AS place, a.segment,
      coalesce(d.source, l.source) AS origin, o.region AS owner_region,
      was(st.told, st.moved, st.new, st.old, d.stage) AS stage_then,
      was(am.told, am.moved, am.new, am.old, d.amount::VARCHAR)::DOUBLE AS amount_then,
      was(ex.told, ex.moved, ex.new, ex.old, d.expected_close_at::VARCHAR)::TIMESTAMPTZ AS due,
      was(fc.told, fc.moved, fc.new, fc.old, d.forecast_category) AS category_then
    FROM deals d LEFT JOIN owners_at(t) o USING (owner_id)
    LEFT JOIN accounts a ON a.account_id = d.account_id
      AND (a.created_at IS NULL OR a.created_at < t)
    LEFT JOIN leads l ON l.lead_id = d.lead_id AND l.created_at < t
    LEFT JOIN replay('stage', t) st ON st.id = d.deal_id
    LEFT JOIN replay('amount', t) am ON am.id = d.deal_id
    LEFT JOIN replay('expected_close_at', t) ex ON ex.id = d.deal_id
    LEFT JOIN replay('forecast_category', t) fc ON fc.id = d.deal_id
    WHERE known(d.created_at, d.available_at) < t)
  SELECT deal_id AS id, account_id, lead_id, owner_id AS owner, team, place AS region, segment,
    product, origin AS source, owner_region, created_at AS created, stage_then AS stage, due,
    category_then AS category, amount_then * fx(currency, t) AS amount,
    CASE WHEN closed_at < t THEN closed_at END AS closed,
    CASE WHEN closed_at < t THEN outcome END AS outcome,
    CASE WHEN closed_at < t AND outcome = 'won'
      THEN coalesce(closed_amount, amount_then) * fx(currency, closed_at) END AS booked,
    coalesce(closed_at >= t, true) AND (outcome IS NULL OR closed_at IS NOT NULL) AS is_open
  FROM d;
CREATE MACRO stays_at(t) AS TABLE
  WITH m AS (
    SELECT c.entity_id AS id, value AS stage, changed_at AS entered, closed, outcome, amount, owner,
      team, region, segment, product, source,
      lead(value) OVER w AS next, lead(changed_at) OVER w AS next_at
    FROM changes c JOIN deals_at(t) d ON d.id = c.entity_id
    WHERE entity = 'deals' AND field = 'stage' AND changed_at < t
    WINDOW w AS (PARTITION BY c.entity_id ORDER BY changed_at))
  SELECT *, coalesce(next_at, closed) AS gone, coalesce(next, outcome) AS dest,
    date_diff('microsecond', entered, coalesce(next_at, closed, t)) / 864e8 AS days
  FROM m;
CREATE MACRO accounts_at(t) AS TABLE
  SELECT a.account_id AS id, a.owner_id AS owner, o.team, coalesce(a.region, o.region) AS region,
    a.segment,
    CASE WHEN getvariable('contracts') THEN CASE WHEN a.customer_at < t THEN a.customer_at END
      ELSE (SELECT min(d.closed) FROM deals_at(t) d
            WHERE d.account_id = a.account_id AND d.outcome = 'won') END AS since,
    CASE WHEN a.closed_at < t AND a.outcome IS NOT NULL THEN a.closed_at END AS gone
  FROM accounts a LEFT JOIN owners_at(t) o USING (owner_id)
  WHERE a.created_at IS NULL OR known(a.created_at, a.available_at) < t;
CREATE MACRO paying(t, known_by) AS TABLE
  SELECT account_id AS id, sum(mrr * fx(currency, known_by)) AS mrr FROM subscriptions
  WHERE known(started_at, available_at) < known_by AND started_at < t
    AND (ended_at IS NULL OR ended_at >= t) GROUP BY account_id;
CREATE MACRO acts_at(t) AS TABLE
  SELECT a.*, a.owner_id AS owner, o.team, o.region
  FROM activities a LEFT JOIN owners_at(t) o USING (owner_id)
  WHERE known(a.occurred_at, a.available_at) < t;
"""


def connect(folder: Path, currency: str, contracts: bool) -> duckdb.DuckDBPyConnection:
    """The canonical folder's tables as SQL views; an absent table or column is all missing."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET VARIABLE home = '{currency}'")
    connection.execute(f"SET VARIABLE contracts = {contracts}")
    for name, schema in TABLES.items():
        path = folder / f"{name}.parquet"
        table = pq.read_table(path) if path.is_file() else pa.table({})
        for column in schema.columns:
            if column.name not in table.column_names:
                kind = _TYPES.get(column.kind, pa.string())
                table = table.append_column(column.name, pa.nulls(table.num_rows, kind))
        connection.register(name, table)
    connection.execute(_MACROS)
    return connection
