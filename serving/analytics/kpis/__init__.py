"""The figures (KPIs) of a sales team and the health of its pipeline, as of any instant.

Each figure is declared once (``catalog``) and computed from a ``Book``: the company as it was known
at one instant. Tables in, tables out; no drawing, no clock, no model.
"""
