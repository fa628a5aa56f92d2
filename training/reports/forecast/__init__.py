"""The forecast's report: one section a module."""
