"""The company as it was known at one instant."""
