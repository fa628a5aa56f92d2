"""What is learned at an origin: hazards, amounts, arrivals, churn, purchases, season, shock."""
