"""Bytes into what a model reads."""
