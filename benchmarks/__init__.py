"""Measurements too slow or too noisy to be tests; results in docs/benchmarks.md."""
