"""The report of a training run: sections of words, figures and tables, made from its tables."""
