"""The HTTP side of the service: routes, problems, keys, the OpenAPI documents."""
