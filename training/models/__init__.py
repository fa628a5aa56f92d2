"""What scoring needs and training shares: no Optuna, no MLflow."""
