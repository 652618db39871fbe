"""Where media live: folders and tables."""
