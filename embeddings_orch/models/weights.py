"""The content of weights on disk: sha256 over files, remembered until they change.

A digest names a local model in its fingerprint: moved, a model stays the same; replaced in place, it is another.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

# A file touched this recently may change again within one tick of the file system's clock.
SETTLED_SECONDS = 2.0
CACHE_ENTRIES = 512

_hashes: dict[str, str] = {}
_lock = threading.Lock()


def files_sha256(folder: Path, names: Iterable[str]) -> str:
    """sha256, 64 hex digits, of files: of the lines that ``sha256sum NAME...`` prints in their folder.

    Args:
        folder: where the files are; neither its name nor its place counts.
        names: POSIX paths in the folder, in the order that counts.

    Raises:
        OSError: a file cannot be read.
    """
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_sha256(path: Path, now: Callable[[], float] = time.time) -> str:
    """sha256 of a file, remembered by (path, size, mtime, ctime, inode) in memory and in the user's cache folder.

    Args:
        path: of the file.
        now: tells the time; the hash of a file that was only just changed is not remembered.

    Raises:
        OSError: the file cannot be read.
    """
    while True:
        path = path.resolve()
        before = path.stat()
        key = json.dumps([str(path), *_facts(before)])
        with _lock:
            if known := _hashes.get(key) or _read_cache().get(key):
                _hashes[key] = known
                return known
        with path.open("rb") as file:
            value = hashlib.file_digest(file, "sha256").hexdigest()
        after = path.stat()
        if _facts(before) == _facts(after):
            break  # else it was replaced while being read
    if now() - max(after.st_mtime, after.st_ctime) > SETTLED_SECONDS:
        with _lock:
            _hashes[key] = value
            _write_cache(key, value)
    return value


def _facts(status: os.stat_result) -> tuple[int, int, int, int]:
    # The time of a change can be set back, that of the change of the file's own entry cannot.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _cache_file() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "embeddings_orch" / "weights_sha256.json"


def _read_cache() -> dict[str, str]:
    try:
        content = json.loads(_cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: no home folder
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str) and len(value) == 64}


def _write_cache(key: str, value: str) -> None:
    entries = {**_read_cache(), key: value}
    newest = dict(list(entries.items())[-CACHE_ENTRIES:])
    try:
        file = _cache_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        # Replaced whole: others read the old or the new file; at worst an entry is hashed again.
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(newest, stream)
        os.replace(name, file)
    except (OSError, RuntimeError):
        return  # only a cache: the file is hashed again next time
