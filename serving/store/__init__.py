"""The store: scores, feedback, keys, audit, replies and webhook events, in SQLite or PostgreSQL.

`open_store` in ``serving.store.store`` is the door. Instants are microseconds since 1970 UTC.
"""
