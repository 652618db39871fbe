"""Chooses assets of a pipeline by name, with what is upstream or downstream of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from embeddings_orch.errors import SpecError
from embeddings_orch.plugins import suggestion
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.pipeline import PipelineSpec

Graph = Mapping[AssetKey, Sequence[AssetKey]]
"""The keys directly upstream of each asset, by key; in the order to show them."""

_SELECTION = re.compile(r"\A(?:(\d*+)\+)?([^+]++)(?:\+(\d*+))?")


def graph(spec: PipelineSpec) -> dict[AssetKey, list[AssetKey]]:
    """The assets of a declaration."""
    name = spec.name
    media = AssetKey.of_media(name)
    assets: dict[AssetKey, list[AssetKey]] = {media: []}
    assets.update({AssetKey.of_embedding(name, embedding): [media] for embedding in spec.embeddings})
    for index, declared in spec.indexes.items():
        key = AssetKey.of_index(name, index)
        assets[key] = [media, *(AssetKey.of_embedding(name, vector) for vector in declared.vectors)]
        assets[AssetKey.of_published(name, index)] = [key]
    return assets


def select_assets(assets: Graph, pipeline: str, selections: Iterable[str]) -> list[AssetKey]:
    """The keys that any of the selections names, in the order of the graph.

    Args:
        assets: the graph.
        pipeline: the pipeline's name, which a selection may leave out.
        selections: keys (``embeddings/clip``), or last names where only one asset has it (``clip``); ``+`` before
            one adds all that is upstream of it, ``+`` after it all that is downstream; ``1+`` and ``+1`` one layer.

    Raises:
        SpecError: a selection names no asset, or several.
    """
    below: dict[AssetKey, list[AssetKey]] = {key: [] for key in assets}
    for key, above in assets.items():
        for parent in above:
            if parent in below:
                below[parent].append(key)
    chosen: set[AssetKey] = set()
    for selection in selections:
        match = _SELECTION.fullmatch(selection.strip())
        if match is None:
            raise SpecError(f"the selection {selection!r} is not understood; allowed: NAME, +NAME, NAME+, +NAME+")
        up, name, down = match.groups()
        key = _key(assets, pipeline, name.strip())
        chosen.add(key)
        if up is not None:
            chosen |= _reach(key, assets, int(up) if up else None)
        if down is not None:
            chosen |= _reach(key, below, int(down) if down else None)
    return [key for key in assets if key in chosen]


def _key(assets: Graph, pipeline: str, name: str) -> AssetKey:
    for key in assets:
        if name in (key, key.within):
            return key
    matches = [key for key in assets if key.path[-1] == name]
    if len(matches) == 1:
        return matches[0]
    short = [key.within for key in matches or assets]
    if matches:
        raise SpecError(f"{name!r} names several assets; choose one: {', '.join(short)}")
    last = [key.path[-1] for key in assets if "/" not in name]
    wrong = name.removeprefix(f"{pipeline}/")
    close = suggestion(wrong, [*short, *last]).partition(" allowed:")[0].rstrip(";")
    raise SpecError(f"the pipeline {pipeline!r} has no asset {name!r}{close}; allowed: {', '.join(short)}")


def _reach(start: AssetKey, edges: Graph, layers: int | None) -> set[AssetKey]:
    reached: set[AssetKey] = set()
    frontier = {start}
    while frontier and layers != 0:
        frontier = {key for asset in frontier for key in edges.get(asset, ()) if key in edges} - reached
        reached |= frontier
        layers = None if layers is None else layers - 1
    return reached
