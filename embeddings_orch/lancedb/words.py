"""Queries of LanceDB's full text search, with their words as an index has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lancedb.query import BooleanQuery, BoostQuery, MatchQuery, MultiMatchQuery, PhraseQuery, Query

from embeddings_orch.models.words import NAMES, compose_words


def compose_query(query: Query) -> Query:
    """A query whose words for the full text are composed, as the texts are; any other as it is."""
    if query.full_text_query is None:
        return query
    words, columns = query.full_text_query.query, query.full_text_query.columns
    if columns and NAMES.issuperset(columns):
        return query
    asked = query.full_text_query.model_copy(update={"query": _compose(words)})
    return query.model_copy(update={"full_text_query": asked})


def _compose(query: Any) -> Any:
    if isinstance(query, str):
        return compose_words(query)
    if isinstance(query, MatchQuery | PhraseQuery):
        return query if query.column in NAMES else replace(query, query=compose_words(query.query))
    if isinstance(query, MultiMatchQuery):
        return query if NAMES.issuperset(query.columns) else replace(query, query=compose_words(query.query))
    if isinstance(query, BoostQuery):
        return replace(query, positive=_compose(query.positive), negative=_compose(query.negative))
    if isinstance(query, BooleanQuery):
        return replace(query, queries=[(occur, _compose(part)) for occur, part in query.queries])
    return query
