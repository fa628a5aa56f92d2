"""The revenue forecast: what was booked, what is open, what is still to come."""
