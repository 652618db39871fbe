"""Commits what a model made; what the store does not take is kept elsewhere, for it may have cost money."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from embeddings_orch.errors import DiskFullError, StoreError
from embeddings_orch.models.content import ContentId, Failure, Vectors
from embeddings_orch.pipeline.embeddings.spool import Spool
from embeddings_orch.store import Store
from embeddings_orch.store.room import check_room, free_bytes, megabytes
from embeddings_orch.store.tables.vectors import vector_rows

_BESIDE = 128
"""Bytes that a row has beside its vector: the key, what it was made of, and its share of the files about it."""

_SMALLEST = 16
"""Vectors that are not parted any more: each commit has files of its own, of some hundred bytes."""


class Checkpoints:
    """Commits failures and vectors of one model.

    Args:
        store: where they go.
        fingerprint: of the model.
        spool: takes what the store has no room for.
    """

    def __init__(self, store: Store, fingerprint: str, spool: Spool | None = None) -> None:
        self._store = store
        self._fingerprint = fingerprint
        self._vectors = store.vectors(fingerprint)
        self._spool = spool or Spool(store.uri, fingerprint)
        self._lacking = 0

    def put_back(self) -> int:
        """Move what an earlier run bought and could not keep into the store; returns how many vectors that were.

        Raises:
            StoreError: the store does not take them; they are kept.
        """
        try:
            return self._spool.put_back(self._vectors)
        except DiskFullError as error:
            raise DiskFullError(
                f"{self._full()}: vectors of an earlier run wait to be put into it; make room, and run again"
            ) from error

    def check_room(self, contents: int, dimensions: int | None) -> None:
        """Take note of what is going to be committed, and raise where the disk has no room for it.

        Args:
            contents: that are going to be embedded.
            dimensions: of their vectors; None where that is not known before the first, and then nothing is checked.

        Raises:
            DiskFullError: before anything is paid for.
        """
        self._lacking = contents
        if dimensions is not None:
            check_room(self._store.uri, contents * (4 * dimensions + _BESIDE), f"the vectors of {contents:,} contents")

    def commit(
        self,
        contents: Sequence[ContentId],
        vectors: Sequence[Vectors],
        *,
        mended: Sequence[bytes],
        failures: Sequence[Failure],
    ) -> None:
        """Commit vectors of contents, shape (len(contents), dimensions), and which contents failed.

        Args:
            contents: those that have a vector.
            vectors: theirs.
            mended: keys of contents that had failed before and have a vector now.
            failures: of other contents.

        Raises:
            StoreError: not all of it could be written; vectors that were not are in the spool, if that has room.
        """
        rows = vector_rows(contents, vectors) if contents else None
        try:
            if mended or failures:
                # Before the vectors: a failure that is forgotten too early costs a try, one kept too long is a lie.
                self._store.failures.replace(self._fingerprint, mended, failures)
            if rows is not None:
                self._append(rows)
        except (StoreError, MemoryError) as error:
            if rows is None:
                raise
            raise (self._keep_beside(rows) if isinstance(error, DiskFullError) else self._keep(rows, error)) from error

    def _keep(self, rows: pa.Table, error: StoreError | MemoryError) -> StoreError:
        """Keep rows that a store did not take, whatever is wrong with it, and say where they are."""
        if (path := self._spool.keep(rows)) is None:
            return StoreError(str(error))
        return StoreError(f"{error}. {_kept(path)}")

    def _keep_beside(self, rows: pa.Table) -> DiskFullError:
        """Keep rows for which a disk has no room where there is some, and say where they are."""
        left = rows.slice(self._append_parts(rows))
        lacking = max(self._lacking, left.num_rows)
        needed = lacking * (rows.nbytes // rows.num_rows + _BESIDE)
        full = f"{self._full()}: the vectors of {lacking:,} contents that it lacks need {megabytes(needed)}"
        if not left.num_rows:
            return DiskFullError(f"{full}; make room, and run again")
        path = self._spool.keep(left)
        if path is None:
            return DiskFullError(
                f"{full}, and there is no room elsewhere on this machine: {left.num_rows:,} vectors are lost; make room"
            )
        return DiskFullError(f"{full}; make room, and run again. {_kept(path)}")

    def _append(self, rows: pa.Table) -> None:
        self._vectors.append_rows(rows)
        self._lacking -= rows.num_rows

    def _full(self) -> str:
        uri = self._store.uri
        return f"the disk of the store {uri} is full ({megabytes(free_bytes(uri))} free)"

    def _append_parts(self, rows: pa.Table) -> int:
        """Append smaller and smaller parts for as long as they fit; returns how many rows did."""
        kept, size = 0, rows.num_rows // 2
        while size >= _SMALLEST and kept < rows.num_rows:
            part = rows.slice(kept, size)
            try:
                self._append(part)
                kept += part.num_rows
            except DiskFullError:
                size //= 2
            except StoreError:  # a disk that is full may be told otherwise too; the rest is kept beside
                break
        return kept


def _kept(path: Path) -> str:
    return f"Vectors that were made already are kept in {path.parent}, and the next run on this machine takes them"
