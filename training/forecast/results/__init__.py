"""The forecast of an origin, how it is kept, and the bridge from an earlier one."""
