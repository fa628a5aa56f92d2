"""Scores and their reasons: the contract, one reader, the scorer, the queue, the batch."""
