"""Fitting: tune, fit the parts, blend, evaluate, bundle."""
