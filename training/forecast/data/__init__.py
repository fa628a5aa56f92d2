"""What a forecast reads at an origin: deals, charges and revenue, settings, periods, random numbers."""
