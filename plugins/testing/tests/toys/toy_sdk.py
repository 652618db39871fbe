"""Stands for a provider's SDK."""
