"""Estimates in closed form with their intervals: shares, counts, means, incidence."""
