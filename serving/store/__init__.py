"""The store: scores, feedback, keys, audit, replies and webhook events, in SQLite or PostgreSQL.

Start at `open_store` in ``serving.store.store``. Instants are microseconds since 1970 UTC.
"""
