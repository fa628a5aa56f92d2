"""Past origins: the model beside the baselines, their scores, and kept forecasts' record."""
