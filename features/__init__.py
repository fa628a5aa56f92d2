"""What was known, and when: canonical tables and point-in-time features."""
