"""How good a model is: measures with intervals, slices, gains, the verdict."""
