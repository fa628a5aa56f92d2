"""From the words of an export to the rows of the canonical tables."""
