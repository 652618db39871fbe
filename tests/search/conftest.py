"""Fixtures that the tests of searching share."""

from exact_search import right, words, words_gallery

__all__ = ["right", "words", "words_gallery"]
