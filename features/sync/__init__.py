"""A connected CRM kept as a canonical data set: read, staged, projected, ingested."""
