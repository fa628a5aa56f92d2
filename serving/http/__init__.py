"""The HTTP API: endpoints, errors, keys, limits, and the OpenAPI documents."""

VERSION = "0.1.0"
"""Of the service, in every body; ``pyproject.toml`` says the same."""
