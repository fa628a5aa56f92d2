"""What a forecast means for plans: targets, pipeline cover, capacity."""
