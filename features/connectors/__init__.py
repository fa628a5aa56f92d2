"""CRMs and databases as streams of pages: one module each, and what they share."""
