"""Seeing it run: metrics, logs and traces of the requests, and never a field's value in them."""
