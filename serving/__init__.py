"""Answers: the scoring service and the batch job."""
