"""The OpenAPI documents: operations, shapes and examples."""
