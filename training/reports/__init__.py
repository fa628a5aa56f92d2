"""The report pages that a training run and a forecast write."""
