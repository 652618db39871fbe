"""Rows of data: what their cells are as text, and what a row, or a set of them, goes by."""
