"""Simulated futures of what was learned: compiled kernels and the streams they fill."""
