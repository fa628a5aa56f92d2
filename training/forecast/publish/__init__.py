"""Everything a forecast publishes: tables, JSON, and the text on the console."""
