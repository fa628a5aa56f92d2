"""What happened next, and what predicts it."""
