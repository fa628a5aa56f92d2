"""Words become values: how a column is written, what it means, and which record it names."""
