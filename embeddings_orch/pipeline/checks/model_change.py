"""What a change of models does to an index: the nearest of its items in the published generation and in the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import StoreError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.indexes.neighbours import ids_with_vector, nearest_items
from embeddings_orch.store.tables.generations import CheckResult, Generation, IndexedModel
from embeddings_orch.store.tables.vector_column import VectorColumn

NEAREST = 10
"""Neighbours of an item that are compared."""

_SAMPLE = 200
_SHOWN = 8


@dataclass(frozen=True)
class Compared:
    """One item: its nearest, nearest first, before and after the change."""

    item: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def common(self) -> frozenset[str]:
        """The items that are among the nearest of both."""
        return frozenset(self.before) & frozenset(self.after)

    @property
    def overlap(self) -> float:
        """The share of its nearest that the item keeps."""
        return len(self.common) / max(1, len(self.before))


@dataclass(frozen=True)
class ColumnChange:
    """One vector column with another model than before.

    Attributes:
        before: the column in the published generation; it may have had another name.
        after: the column in the new one.
        items: the sampled items that were compared.
        nearest: neighbours of each that were compared, ten or fewer.
        overlap: the share of its nearest that an item keeps, on average.
        least: of the items shown, those that keep least.
        spread: of the items shown, some evenly spread over the others by what they keep.
    """

    before: IndexedModel
    after: IndexedModel
    items: int
    nearest: int
    overlap: float
    least: tuple[Compared, ...]
    spread: tuple[Compared, ...]


@dataclass(frozen=True)
class ModelChange:
    """How the models of a generation differ from those of the published one.

    Attributes:
        columns: those with another model that have at least two items in common.
        new: columns that the published generation does not have.
        gone: columns that only the published generation has.
    """

    published: Generation
    generation: Generation
    columns: tuple[ColumnChange, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def worst(self) -> ColumnChange | None:
        """The column that keeps least."""
        return min(self.columns, key=lambda column: column.overlap, default=None)


def check_model_change(
    pipeline: Pipeline, index: str, generation: Generation
) -> tuple[CheckResult, ModelChange | None]:
    """Compare the neighbours of sampled items with those in the published generation, where a model differs.

    It blocks only below ``min_overlap``. What cannot be compared passes: a published table that is lost must not stop
    one that is good. It reads stored vectors and calls no model.

    Raises:
        StoreError: the new generation cannot be read.
    """
    min_overlap = pipeline.spec.indexes[index].checks.min_overlap
    pointer = pipeline.store.published.get(pipeline.spec.name, index).generation
    if pointer is None:
        return _pass_because("nothing is published yet"), None
    if pointer == generation.id:
        before = [check for check in generation.checks if check.name == "model_change" and "overlap" in check.metadata]
        return (before[0] if before else _pass_because("this generation is the published one", generation)), None
    published = pipeline.store.generations.get(pointer)
    if published is None:
        return _pass_because(f"could not be compared: the published generation {pointer} is gone"), None
    pairs, new, gone = _pairs(published, generation)
    if not (pairs or new or gone):
        return _pass_because("same models as the published generation"), None
    old_table, new_table = pipeline.store.index(published.table), pipeline.store.index(generation.table)
    try:
        compared = [
            _compare(VectorColumn(old_table, published, before), VectorColumn(new_table, generation, after))
            for before, after in pairs
        ]
    except _LostError as error:
        return _pass_because(f"could not be compared with the published generation {pointer}: {error}"), None
    columns = tuple(column for column in compared if column is not None)
    change = ModelChange(published, generation, columns, new, gone)
    return _result(change, min_overlap, len(pairs)), change


def model_label(model: IndexedModel) -> str:
    """A model as people know it, with the start of its fingerprint, for two may differ in their settings alone."""
    name = model.settings.get("name")
    return f"{model.provider}{f'/{name}' if name else ''} ({model.fingerprint[:8]})"


class _LostError(Exception):
    """The published generation cannot be read."""


@contextmanager
def _guard_published() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise _LostError(str(error)) from error


def _pairs(
    published: Generation, generation: Generation
) -> tuple[list[tuple[IndexedModel, IndexedModel]], tuple[str, ...], tuple[str, ...]]:
    """Columns before and after whose models differ, new columns, and gone ones.

    A new column in the place of a gone one is the same column under another name.
    """
    before = {model.column: model for model in published.models}
    after = {model.column: model for model in generation.models}
    pairs = [(before[name], after[name]) for name in after if name in before]
    new = [name for name in after if name not in before]
    gone = [name for name in before if name not in after]
    if len(new) == len(gone) == 1:
        pairs.append((before[gone.pop()], after[new.pop()]))
    differ = [(was, now) for was, now in pairs if (was.fingerprint, was.inputs) != (now.fingerprint, now.inputs)]
    return differ, tuple(new), tuple(gone)


def _compare(before: VectorColumn, after: VectorColumn) -> ColumnChange | None:
    """Compare among the items that have a vector in both generations; None where there are fewer than two."""
    with _guard_published():
        ids = ids_with_vector(before)
    now = ids_with_vector(after)
    in_both = pc.is_in(now, ids)
    both, added = now.filter(in_both), now.filter(pc.invert(in_both))
    if len(both) < 2:
        return None
    both = both.take(pc.sort_indices(both))
    picked = np.sort(np.random.default_rng(0).choice(len(both), min(_SAMPLE, len(both)), replace=False))
    items = both.take(pa.array(picked)).to_pylist()
    k = min(NEAREST, len(both) - 1)
    with _guard_published():
        removed = ids.filter(pc.invert(pc.is_in(ids, both)))
        nearest_before = nearest_items(before, items, k, removed)
    nearest_after = nearest_items(after, items, k, added)
    compared = [
        Compared(item, tuple(near_before), tuple(near_after))
        for item, near_before, near_after in zip(items, nearest_before, nearest_after, strict=True)
    ]
    compared.sort(key=lambda neighbours: (neighbours.overlap, neighbours.item))
    least, others = compared[: _SHOWN // 2], compared[_SHOWN // 2 :]
    spread = np.unique(np.linspace(0, len(others) - 1, min(_SHOWN - len(least), len(others))).round().astype(int))
    return ColumnChange(
        before.model,
        after.model,
        items=len(items),
        nearest=k,
        overlap=sum(neighbours.overlap for neighbours in compared) / len(compared),
        least=tuple(least),
        spread=tuple(others[int(number)] for number in spread),
    )


def _result(change: ModelChange, min_overlap: float, compared: int) -> CheckResult:
    told = [
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {what}"
        for names, what in ((change.new, "new"), (change.gone, "gone"))
        if names
    ]
    if compared > len(change.columns):
        told.insert(0, "a column has no two items with a vector in both generations to compare")
    worst = change.worst
    if worst is None:
        return _pass_because("; ".join(told))
    limit = f"; {min_overlap:.0%} is wanted" if min_overlap else ""
    told.insert(
        0,
        f"{worst.after.column}: an item keeps {worst.overlap:.0%} of its {worst.nearest} nearest on average "
        f"({model_label(worst.before)} -> {model_label(worst.after)}, {worst.items:,} items sampled{limit})",
    )
    return CheckResult(
        "model_change",
        worst.overlap >= min_overlap,
        True,
        {
            "overlap": round(worst.overlap, 4),
            "wanted": min_overlap,
            "items": worst.items,
            "published": change.published.id,
            "columns": {column.after.column: round(column.overlap, 4) for column in change.columns},
        },
        "; ".join(told),
    )


def _pass_because(why: str, published: Generation | None = None) -> CheckResult:
    return CheckResult("model_change", True, True, {"published": published.id} if published else {}, why)
