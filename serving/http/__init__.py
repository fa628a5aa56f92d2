"""The HTTP side of the service: routes, problems, keys, the OpenAPI documents."""

VERSION = "0.1.0"
"""Of the service, in every body; ``pyproject.toml`` says the same."""
