"""What reading lost, and what that does to figures and models."""
