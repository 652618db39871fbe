"""What is missing, and whether and when a run is to be started for it."""
