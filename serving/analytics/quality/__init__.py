"""What is wrong with the data and what mending it is worth: duplicates, gaps, impossible rows."""
