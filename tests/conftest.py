"""Fixtures of all tests; a session-wide one is made once a worker only because it is imported here alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from exact_search import right, words, words_gallery
from galleries import gallery, make_gallery, shared_gallery
from homes import make_home
from kept import once
from serving import served, shared_served, unpacked

__all__ = [
    "dagster_home",
    "gallery",
    "make_gallery",
    "once",
    "right",
    "served",
    "shared_gallery",
    "shared_served",
    "unpacked",
    "words",
    "words_gallery",
]


@pytest.fixture
def dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster home of its own, without telemetry."""
    home = make_home(tmp_path / "dagster_home")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return home
