"""Simple models that the learner must beat."""
