"""Keeps a map of each vector column with the generation that an index step made or found."""

from __future__ import annotations

from dataclasses import dataclass

from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.maps.layout import effective, make_map
from embeddings_orch.store.tables.generations import Generation, IndexedModel
from embeddings_orch.store.tables.maps import MapHeader, Method


@dataclass(frozen=True)
class MapReport:
    """The maps of a generation.

    Attributes:
        maps: those that are kept.
        problems: why others are not; a generation is as good without.
    """

    maps: tuple[MapHeader, ...] = ()
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join([*map(describe, self.maps), *self.problems]) or "none"


def describe(header: MapHeader) -> str:
    """A map in words, with the variance that its axes show."""
    if header.explained is None:
        return f"{header.column}: {header.method.upper()}"
    first, second = header.explained
    return f"{header.column}: {header.method.upper()}, {first:.1%} + {second:.1%} of the variance"


def keep_maps(pipeline: Pipeline, index: str, generation: Generation, *, anew: bool = False) -> MapReport:
    """Make the maps that a generation lacks, or has by another method than is declared; never fails.

    Args:
        pipeline: the pipeline.
        index: the index.
        generation: whose maps.
        anew: make those that are there as well.
    """
    method = pipeline.spec.indexes[index].map
    if method == "none":
        return MapReport()
    maps, problems = [], []
    for model in generation.models:
        try:
            maps.append(_find_or_make(pipeline, generation, model, method, anew=anew))
        except Exception as error:
            problems.append(f"{model.column}: no map could be made: {str(error) or type(error).__name__}")
    return MapReport(tuple(maps), tuple(problems))


def _find_or_make(
    pipeline: Pipeline, generation: Generation, model: IndexedModel, method: Method, *, anew: bool
) -> MapHeader:
    there = None if anew else pipeline.store.maps.header(generation.id, model.column)
    if there is not None and there.method == effective(method, there.vectors) and there.rows == generation.rows:
        return there
    new_map = make_map(pipeline.store, generation, model, method)
    pipeline.store.maps.put(new_map)
    return new_map.header
