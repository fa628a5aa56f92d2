"""The boosted part of the learner: LightGBM trees, scored and explained exactly."""
