"""Stores that earlier versions of the package wrote; see tests/data/stores/make.py."""

from __future__ import annotations

import tarfile
from pathlib import Path

STORES = Path(__file__).parents[1] / "data" / "stores"
COMMITS = ["0fe1c8f", "6278c90"]
"""Whose code wrote them, oldest first."""


def unpack_store(name: str, commit: str, folder: Path) -> Path:
    """Unpack a kept store, with its media and declarations, to a folder of its name below another.

    Args:
        name: ``emoji`` or ``history``.
        commit: one of `COMMITS`.
        folder: where; a test may do with the copy what it likes.
    """
    with tarfile.open(STORES / f"{name}-{commit}.tar.gz") as tar:
        tar.extractall(folder / name, filter="data")
    return folder / name
