"""The published step: the pointer that search follows."""
