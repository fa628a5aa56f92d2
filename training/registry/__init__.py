"""The MLflow registry, and what a training run leaves there."""
