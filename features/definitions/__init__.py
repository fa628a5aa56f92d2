"""The features themselves: one module for each kind of fact, one short function for each feature."""
