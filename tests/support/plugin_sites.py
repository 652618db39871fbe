"""Distributions with a plugin, as pip would lay them out, on Python's path for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embeddings_orch import plugins


@contextmanager
def installed(folder: Path, group: plugins.Group, name: str, class_name: str, code: str) -> Iterator[None]:
    """Have a plugin of one module; ``folder`` is made."""
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (folder / f"{name}_plugin.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[embeddings_orch.{group}]\n{name} = {name}_plugin:{class_name}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        plugins._entry_points.cache_clear()
        yield
    plugins._entry_points.cache_clear()
