"""Metrics, logs and traces of the requests, without any field's value."""
