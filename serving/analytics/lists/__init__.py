"""What the analyst's pages show, made once a night from a data set and its scores, and kept."""
