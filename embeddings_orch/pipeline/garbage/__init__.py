"""What nothing needs any more, listed and removed."""
