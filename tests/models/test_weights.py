"""sha256 of files: remembered until they change, and the same whatever their folder is called."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from embeddings_orch.models import weights


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache of hashes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_hashes", {})
    return tmp_path / "cache"


@pytest.mark.process
def test_the_digest_of_files_is_that_of_sha256sums_lines(tmp_path: Path) -> None:
    (tmp_path / "model" / "inside").mkdir(parents=True)
    (tmp_path / "model" / "a.json").write_text("one")
    (tmp_path / "model" / "inside" / "b.bin").write_text("two")
    command = "sha256sum inside/b.bin a.json | sha256sum"
    done = subprocess.run(command, shell=True, cwd=tmp_path / "model", check=True, capture_output=True, text=True)
    found = weights.files_sha256(tmp_path / "model", ["inside/b.bin", "a.json"])
    assert found == done.stdout.split()[0]
    moved = shutil.move(tmp_path / "model", tmp_path / "moved")
    assert weights.files_sha256(Path(moved), ["inside/b.bin", "a.json"]) == found


def later() -> float:
    """A time at which what was written just now has not changed for long."""
    return time.time() + 3600


def written(path: Path) -> Path:
    path.write_bytes(b"weights")
    return path


def test_a_hash_is_remembered_until_the_file_changes(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "mine.pt")
    right = weights.file_sha256(path, later)
    store = own_cache / "embeddings_orch" / "weights_sha256.json"
    (entry,) = json.loads(store.read_text())
    # A value that is not the hash shows where the next answer comes from.
    store.write_text(json.dumps({entry: "f" * 64}))
    monkeypatch.setattr(weights, "_hashes", {})
    assert weights.file_sha256(path) == "f" * 64
    path.write_bytes(b"another")
    assert weights.file_sha256(path) not in {"f" * 64, right}


def test_a_file_that_was_just_written_is_hashed_every_time(tmp_path: Path, own_cache: Path) -> None:
    path = written(tmp_path / "mine.pt")
    weights.file_sha256(path, lambda: path.stat().st_ctime)
    assert not own_cache.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', "null"])
def test_a_broken_cache_is_no_error(tmp_path: Path, own_cache: Path, content: str) -> None:
    store = own_cache / "embeddings_orch" / "weights_sha256.json"
    store.parent.mkdir(parents=True)
    store.write_text(content)
    value = weights.file_sha256(written(tmp_path / "mine.pt"), later)
    assert value == hashlib.sha256(b"weights").hexdigest()
    assert list(json.loads(store.read_text()).values()) == [value]


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, own_cache: Path) -> None:
    own_cache.write_text("a file where the folder should be")
    assert len(weights.file_sha256(written(tmp_path / "mine.pt"), later)) == 64
