"""What a forecast reads at an origin: deals, charges, settings, periods, random numbers."""
