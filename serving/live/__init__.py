"""Scores in the CRM: written back, taken back, and the loop that does it every day."""
