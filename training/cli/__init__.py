"""The commands of ``python -m training`` that have a room of their own: each has ``add``."""
