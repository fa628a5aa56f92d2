"""The features: one module for each kind of fact, one short function for each feature."""
