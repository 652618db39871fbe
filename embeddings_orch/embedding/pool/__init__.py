"""Models in memory, each loaded once and asked in batches."""
