"""Rows that LanceDB reads, with the absolute uris that their media have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from lancedb.query import AsyncTakeQuery, LanceTakeQueryBuilder

from embeddings_orch.media.roots import absolute_uri, absolute_uris


def absolute_reader(root: str, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """A reader's batches with absolute uris, each made when it is asked for."""

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            yield from absolute_uris(root, pa.Table.from_batches([batch])).to_batches()

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


class TakenRows(LanceTakeQueryBuilder):  # type: ignore[misc]
    """LanceDB's builder of rows by their places, which reads past the table's own queries."""

    def __init__(self, inner: AsyncTakeQuery, root: str) -> None:
        super().__init__(inner)
        self._root = root

    def to_batches(self, *args: Any, **options: Any) -> pa.RecordBatchReader:
        """As LanceDB's."""
        return absolute_reader(self._root, super().to_batches(*args, **options))

    def to_arrow(self, *args: Any, **options: Any) -> pa.Table:
        """As LanceDB's."""
        return absolute_uris(self._root, super().to_arrow(*args, **options))

    def to_list(self, *args: Any, **options: Any) -> list[dict[str, Any]]:
        """As LanceDB's."""
        rows: list[dict[str, Any]] = super().to_list(*args, **options)
        return [{**row, "uri": absolute_uri(self._root, row["uri"])} if "uri" in row else row for row in rows]

    def to_pandas(self, *args: Any, **options: Any) -> Any:
        """As LanceDB's."""
        frame = super().to_pandas(*args, **options)
        return frame.assign(uri=[absolute_uri(self._root, uri) for uri in frame["uri"]]) if "uri" in frame else frame

    def to_polars(self, *args: Any, **options: Any) -> Any:
        """As LanceDB's."""
        frame = super().to_polars(*args, **options)
        return frame.with_columns(uri=self.to_arrow(*args, **options)["uri"].to_pylist()) if "uri" in frame else frame
