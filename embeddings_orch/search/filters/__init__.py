"""Filters with parameters: what is compared with a column is read as the column's type."""

from embeddings_orch.search.filters.binding import bind

__all__ = ["bind"]
