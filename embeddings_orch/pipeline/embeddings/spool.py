"""Vectors that were bought and did not fit on the store's disk: kept elsewhere on this machine for the next run."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import StoreError
from embeddings_orch.store.room import free_bytes
from embeddings_orch.store.tables.vectors import VectorsTable, vectors_schema

_log = logging.getLogger(__name__)

_STORE = b"store"
"""What a file's schema calls the URI of the store that its rows are of."""

_MARGIN = 2**20
"""Bytes that a folder has to have beside what is written there."""


class Spool:
    """Files of vectors of one model, for one store, or for one that is not where it was any more.

    Args:
        uri: of the store.
        fingerprint: of the model.
        folders: where they may lie, the first that has room; default the user's folder for state, and that for
            temporary files.
    """

    def __init__(self, uri: str, fingerprint: str, folders: Sequence[Path] | None = None) -> None:
        self._uri = uri
        self._name = hashlib.sha256(fingerprint.encode()).hexdigest()[:32]
        self._folders = _usual_folders() if folders is None else folders

    def keep(self, rows: pa.Table) -> Path | None:
        """Write rows of a table of vectors to the first folder that takes them; None where none does."""
        rows = rows.replace_schema_metadata({_STORE: self._uri})
        for folder in self._folders:
            with suppress(OSError):
                # Only for this user: whoever could write here could put vectors into the store.
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not _is_private(folder) or free_bytes(folder) < rows.nbytes + _MARGIN:
                    continue
                path = folder / f"{self._name}.{uuid.uuid4().hex}.arrow"
                temporary = path.with_suffix(".tmp")
                try:
                    with pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_file(file, rows.schema) as writer:
                        writer.write_table(rows)
                    temporary.replace(path)
                finally:
                    temporary.unlink(missing_ok=True)
                return path
        return None

    def put_back(self, vectors: VectorsTable) -> int:
        """Move what is kept into the store; returns how many vectors that were.

        Raises:
            StoreError: the store does not take them, or a file cannot be read now; they are kept.
        """
        count = 0
        for path in self._files():
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # another run has just taken it
                continue
            except OSError as error:
                raise StoreError(
                    f"the vectors kept in {path} cannot be read now ({error.strerror or error}): mend that and run "
                    "again, or remove the file, and they are embedded again"
                ) from error
            try:
                rows = _rows_of(data, vectors.dimensions())
            except (OSError, pa.ArrowInvalid) as error:
                _log.warning("the vectors kept in %s cannot be read and are embedded again (%s)", path, error)
            else:
                if self._is_of_another(rows):
                    continue
                rows = rows.replace_schema_metadata(None).filter(pc.invert(pc.is_in(rows["key"], vectors.keys())))
                if rows.num_rows:
                    vectors.append_rows(rows)
                    count += rows.num_rows
            path.unlink(missing_ok=True)
        return count

    def _is_of_another(self, rows: pa.Table) -> bool:
        """Whether rows wait for another store that is still there; who makes room may well move a store."""
        uri = (rows.schema.metadata or {}).get(_STORE, b"").decode()
        return uri != self._uri and ("://" in uri or os.path.exists(uri))

    def _files(self) -> Iterator[Path]:
        for folder in self._folders:
            if folder.is_dir() and _is_private(folder):
                yield from sorted(folder.glob(f"{self._name}.*.arrow"))


def _rows_of(data: bytes, dimensions: int | None) -> pa.Table:
    """The rows of a file, of vectors of some length where it is known.

    Raises:
        pa.ArrowInvalid: it is damaged, or its rows are none of a table of such vectors: each run would fail with them.
    """
    rows = pa.ipc.open_file(data).read_all()
    kind = rows.schema.field("vector").type if "vector" in rows.schema.names else pa.null()
    length = kind.list_size if pa.types.is_fixed_size_list(kind) else 0
    if rows.schema != vectors_schema(length) or dimensions not in (None, length):
        raise pa.ArrowInvalid(f"its rows have vectors of {length} numbers, the store's {dimensions}")
    return rows


def _usual_folders() -> list[Path]:
    folders = []
    with suppress(RuntimeError):  # no home folder
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        folders.append(Path(state) / "embeddings_orch" / "spool")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return [*folders, Path(tempfile.gettempdir()) / f"embeddings_orch-{user}"]


def _is_private(folder: Path) -> bool:
    """Whether nobody but this user can have written what is in a folder."""
    if not hasattr(os, "getuid"):
        return True
    status = folder.stat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022
