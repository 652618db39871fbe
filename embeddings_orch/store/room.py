"""The room on the disk that a store is on."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from embeddings_orch.errors import DiskFullError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OS_ERROR = re.compile(r"\(os error (\d{1,9})\)")
"""How Rust's standard library ends the text of an error of the system."""


def is_full(error: BaseException) -> bool:
    """Whether an error, of LanceDB or of the system, says that a disk or a quota is full."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return any(int(number) in _FULL for number in _OS_ERROR.findall(str(error)))


def free_bytes(folder: str | os.PathLike[str]) -> int:
    """What the disk has left that a folder is on, or would be."""
    path = Path(folder).absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def check_room(uri: str, needed: int, what: str, free: Callable[[str], int] = free_bytes) -> None:
    """Raise where a store has too little room for what is going to be written; of an object store nothing is known.

    Args:
        uri: of the store.
        needed: bytes.
        what: what needs them, for the message.
        free: the bytes that are left where a folder is.

    Raises:
        DiskFullError: with what it takes and what there is.
    """
    if "://" not in uri and needed > (left := free(uri)):
        raise DiskFullError(
            f"the disk of the store {uri} is too full: {what} need about {megabytes(needed)}, and "
            f"{megabytes(left)} are free; make room, or move the store to a larger disk"
        )


def megabytes(count: int) -> str:
    """Bytes for people.

    Example:
        >>> megabytes(1_234_567_890), megabytes(2_000)
        ('1,234.6 MB', '0.1 MB')
    """
    return f"{max(count / 1e6, 0.1 if count else 0):,.1f} MB"
