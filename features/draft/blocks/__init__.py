"""The blocks of a draft: one module for each sort of table."""
