"""What a store holds, before a migration and after it, in words that do not depend on when the tables were written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lancedb

from embeddings_orch.store.migrations.old import OldStore

_VERSIONS = {"claims", "meta"}


def read_store(root: Path) -> dict[str, list[Any]]:
    """The rows of every table but the claims, in an order of their own."""
    old = OldStore(lancedb.connect(str(root)))
    return {name: sorted(map(repr, old.rows(name))) for name in old.names() if name != "claims"}


def read_versions(root: Path) -> dict[str, int]:
    """The latest version of each table."""
    old = OldStore(lancedb.connect(str(root)))
    return {name: old.version(name) or 0 for name in old.names()}


def read_files(root: Path) -> Mapping[Path, int]:
    """All files below a folder, with the times they were written."""
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
