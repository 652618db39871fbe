"""What a run would do, and what is there."""
