"""Whether a disk has the space that a migration takes: for a while, old tables and new ones lie beside each other."""

from __future__ import annotations

from collections.abc import Callable

from embeddings_orch.errors import DiskFullError
from embeddings_orch.store.migrations.layout import new_name
from embeddings_orch.store.migrations.old import OldStore
from embeddings_orch.store.room import free_bytes

_MARGIN = 1.1
"""Of what the old tables take: a new key has further columns beside it."""


def check_space(store: OldStore, uri: str, free: Callable[[str], int] = free_bytes) -> None:
    """Raise where the copies will not fit beside the old tables; of an object store nothing is known.

    Args:
        store: to be copied.
        uri: of the store.
        free: the bytes that are left where a folder is.

    Raises:
        DiskFullError: with what it takes and what there is.
    """
    if "://" in uri:
        return
    needed, left = space_needed(store), free(uri)
    if needed > left:
        raise DiskFullError(
            f"the store {uri} has to be copied once to a new format, which takes about {_gigabytes(needed)}, and the "
            f"disk has {_gigabytes(left)} left: make room, or move the store to a larger disk; nothing was changed"
        )


def space_needed(store: OldStore) -> int:
    """The bytes that are still to be copied, about."""
    names = store.old_names()
    data = sum(store.bytes(name) for name in names)
    copied = sum(store.bytes(str(new_name(name))) for name in names if name.startswith("vectors."))
    return max(0, int(data * _MARGIN) - copied)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.2f} GB"
