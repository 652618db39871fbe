"""Maps: where the items of a generation lie on a plane, by one of its vector columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from embeddings_orch.store.base import Database, TableOf, guard, in_list, text
from embeddings_orch.store.conflicts import retry_conflicts

Method = Literal["pca", "umap"]

SIDE = 65535
"""The largest coordinate; the smallest is 0."""

_KNOWN = [
    pa.field("generation", pa.string(), nullable=False),
    pa.field("column", pa.string(), nullable=False),
    pa.field("table", pa.string(), nullable=False),
    pa.field("version", pa.int64(), nullable=False),
    pa.field("method", pa.string(), nullable=False),
    pa.field("rows", pa.int64(), nullable=False),
    pa.field("vectors", pa.int64(), nullable=False),
    pa.field("fitted", pa.int64(), nullable=False),
    pa.field("points", pa.int64(), nullable=False),
    pa.field("explained", pa.list_(pa.float64())),
    pa.field("made_at", pa.timestamp("us", tz="UTC"), nullable=False),
]
_HEADER = [field.name for field in _KNOWN]
_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        *_KNOWN,
        pa.field("basis", pa.binary()),
        pa.field("places", pa.binary(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Basis:
    """What puts a vector onto a PCA map.

    Attributes:
        mean: of the vectors, shape (dimensions,).
        axes: shape (2, dimensions).
        centre: the middle of the map, in units of the vectors along the axes.
        span: the side of the map, in the same units.
        explained: each axis' share of the variance.
    """

    mean: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]
    centre: tuple[float, float]
    span: float
    explained: tuple[float, float]


@dataclass(frozen=True)
class MapHeader:
    """All of a map but its points.

    Attributes:
        table: the index table, and the ``version`` of it that the generation is.
        rows: of the generation.
        vectors: rows that have a vector.
        fitted: how many there were when the map was laid out; later versions keep the layout.
        points: rows that are on the map.
        explained: each axis' share of the variance, None where the axes are no components.
    """

    generation: str
    column: str
    table: str
    version: int
    method: Method
    rows: int
    vectors: int
    fitted: int
    points: int
    explained: tuple[float, float] | None
    made_at: datetime


@dataclass(frozen=True)
class Map:
    """A map with its points.

    Attributes:
        ids: of the items, in the table's order.
        places: shape (points, 2), 0..65535; the same scale on both axes.
        basis: of a PCA map.
        checks: of a UMAP map, a checksum of each item's vector, shape (points,): an item stays while it is the same.
    """

    header: MapHeader
    ids: pa.Array
    places: npt.NDArray[np.uint16]
    basis: Basis | None = None
    checks: npt.NDArray[np.uint32] | None = None


class MapsTable(TableOf):
    """One row for each generation and vector column; readers of the store that know no maps do not need it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "maps")

    def headers(self, where: str | None = None) -> list[MapHeader]:
        """All maps, or those that match; their points are not read."""
        return [_header(row) for row in self._select(_HEADER, where)]

    def header(self, generation: str, column: str) -> MapHeader | None:
        """The header of one map."""
        return next(iter(self.headers(_one(generation, column))), None)

    def get(self, generation: str, column: str) -> Map | None:
        """One map."""
        rows = self._select([*_HEADER, "basis", "places"], _one(generation, column))
        return _map(rows[0]) if rows else None

    def latest(self, table: str, column: str, method: Method) -> Map | None:
        """The map of the latest version of an index table that has one of a method."""
        where = f"`table` = {text(table)} AND `column` = {text(column)} AND method = {text(method)}"
        last = max(self.headers(where), key=lambda header: header.version, default=None)
        return None if last is None else self.get(last.generation, column)

    @guard
    def put(self, layout: Map) -> None:
        """Keep a map, or replace the one of its generation and column."""
        header = layout.header
        row = {
            **{name: getattr(header, name) for name in _HEADER},
            "key": f"{header.generation}/{header.column}",
            "basis": None if layout.basis is None else _basis_bytes(layout.basis),
            "places": _places_bytes(layout),
        }
        rows = pa.Table.from_pylist([row], schema=_SCHEMA)

        def merge() -> None:
            table = self.database.create(self.name, _SCHEMA, primary_key="key")
            table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(rows)

        retry_conflicts(merge)

    def remove(self, generations: Iterable[str]) -> None:
        """Forget the maps of some generations."""
        if names := list(generations):
            self._delete(in_list("generation", names))

    def remove_table(self, table: str) -> None:
        """Forget the maps of all versions of an index table."""
        self._delete(f"`table` = {text(table)}")

    @guard
    def _delete(self, where: str) -> None:
        retry_conflicts(lambda: self.delete_rows(where))

    @guard
    def _select(self, columns: list[str], where: str | None) -> list[dict[str, Any]]:
        table = self.database.read(self.name, where=where, columns=columns)
        rows: list[dict[str, Any]] = [] if table is None else table.to_pylist()
        return rows


def _one(generation: str, column: str) -> str:
    return f"key = {text(f'{generation}/{column}')}"


def _header(row: dict[str, Any]) -> MapHeader:
    explained = row["explained"]
    known = {name: row[name] for name in _HEADER if name != "explained"}
    return MapHeader(**known, explained=None if explained is None else (explained[0], explained[1]))


def _map(row: dict[str, Any]) -> Map:
    header, points = _header(row), _unpack(row["places"])
    checks = points["check"].to_numpy() if "check" in points.column_names else None
    places = np.stack([points["x"].to_numpy(), points["y"].to_numpy()], axis=1)
    return Map(header, points["id"].combine_chunks(), places, _basis(row["basis"], header.explained), checks)


def _places_bytes(layout: Map) -> bytes:
    columns = {"id": layout.ids, "x": pa.array(layout.places[:, 0]), "y": pa.array(layout.places[:, 1])}
    if layout.checks is not None:
        columns["check"] = pa.array(layout.checks)
    return _pack(pa.table(columns))


def _basis_bytes(basis: Basis) -> bytes:
    rows = pa.table({"mean": basis.mean, "first": basis.axes[0], "second": basis.axes[1]})
    # The square's place and size beside the columns.
    told = {"centre_x": repr(basis.centre[0]), "centre_y": repr(basis.centre[1]), "span": repr(basis.span)}
    return _pack(rows.replace_schema_metadata(told))


def _basis(data: bytes | None, explained: tuple[float, float] | None) -> Basis | None:
    if data is None or explained is None:
        return None
    rows = _unpack(data)
    told = {key.decode(): float(value) for key, value in (rows.schema.metadata or {}).items()}
    axes = np.stack([rows["first"].to_numpy(), rows["second"].to_numpy()])
    return Basis(rows["mean"].to_numpy(), axes, (told["centre_x"], told["centre_y"]), told["span"], explained)


def _pack(rows: pa.Table) -> bytes:
    """A table as an Arrow IPC stream, compressed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(rows)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _unpack(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
