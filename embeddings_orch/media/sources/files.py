"""What a catalog says of local files: hash, size, dimensions, text; reused where a file did not change."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, ValidationInfo

from embeddings_orch.errors import ItemError
from embeddings_orch.media.decoding.pictures import decode_text, stream_size
from embeddings_orch.models.content import Modality, content_hash
from embeddings_orch.models.paths import local_path
from embeddings_orch.models.rows.notes import STAT_COLUMN


def _local(value: Any, info: ValidationInfo) -> Any:
    # Anything else is pydantic's to refuse.
    return local_path(value, info) if isinstance(value, str | Path) else value


LocalPath = Annotated[Path, BeforeValidator(_local)]
"""A path that is relative to the YAML."""

_CHUNK = 1 << 20
_SLICE = 2048
_WORKERS = 8
_TICK_NS, _COARSE_TICK_NS = 50_000_000, 2_000_000_000
"""Longer than a file system's clock takes for a step; some (FAT, old network ones) count whole or even seconds."""


@dataclass(frozen=True, slots=True)
class File:
    """One local file to look at."""

    id: str
    path: str
    modality: Modality


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found in it.

    Attributes:
        content_hash: of a text that is too large, that of its bytes.
        text: of a text file, null where it is not UTF-8, or too large.
        stat: for `STAT_COLUMN`.
    """

    content_hash: str
    size: int
    width: int | None
    height: int | None
    text: str | None
    stat: str


class FileFacts:
    """Looks at files, and reuses what the last catalog says of those whose size, times and inode stayed.

    Anybody can set the time of a change back (mtime), but not that of the change of the file's own entry (ctime).

    A file changed just before the scan could change once more in the same tick of the file system's clock, so its
    stat is not remembered and the next scan hashes it again (git's racy rule).

    Args:
        previous: the last catalog.
        now: the time of this scan, in seconds since the epoch.
        longest: the most bytes of a text that is kept.
    """

    def __init__(self, previous: pa.Table | None, now: float, longest: int) -> None:
        self._known = dict(_facts_of(previous)) if previous is not None else {}
        self._now_ns, self._longest = int(now * 1e9), longest

    def look(self, files: Sequence[File], progress: Callable[[int], None]) -> list[Facts | OSError]:
        """The facts of each file, or why it cannot be read."""
        all_facts: list[Facts | OSError] = []
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="scan") as pool:
            # In slices: a million waiting tasks would take a gigabyte.
            for start in range(0, len(files), _SLICE):
                some = files[start : start + _SLICE]
                facts = [self._reuse(file) for file in some]
                unknown = [file for file, fact in zip(some, facts, strict=True) if fact is None]
                read = iter(pool.map(self._read, unknown) if len(unknown) > 1 else map(self._read, unknown))
                all_facts += [next(read) if fact is None else fact for fact in facts]
                progress(len(all_facts))
        return all_facts

    def _reuse(self, file: File) -> Facts | OSError | None:
        try:
            status = os.stat(file.path)
        except OSError as error:
            return error
        if not stat.S_ISREG(status.st_mode):
            return OSError(errno.EINVAL, "not a file", file.path)
        known = self._known.get(file.id)
        if known is None or not is_same_stat(known.stat, now := _stat(status)):
            return None
        # The limit may be another one than at the last scan.
        if file.modality == "text" and (known.text is None) == (known.size <= self._longest):
            return None
        # One of an earlier version of this package is replaced, but never by one that nothing can be told by later.
        return known if known.stat == now or not _is_settled(status, self._now_ns) else replace(known, stat=now)

    def _read(self, file: File) -> Facts | OSError:
        try:
            with open(file.path, "rb") as stream:
                before = _stat(os.fstat(stream.fileno()))
                is_text = file.modality == "text"
                digest, text = _text_digest(stream, self._longest) if is_text else (_digest(stream), None)
                size = stream.tell()
                width, height = _dimensions(stream) if file.modality == "image" else (None, None)
                status = os.fstat(stream.fileno())
        except OSError as error:
            return error
        trusted = _is_settled(status, self._now_ns) and _stat(status) == before
        return Facts(digest, size, width, height, text, before if trusted else "")


def stat_of(path: str) -> str:
    """A text that changes when a file does, by its size, times and inode; empty where there is none."""
    try:
        return _stat(os.stat(path))
    except OSError:
        return ""


def settled_stat_of(path: str, now: float) -> str:
    """`stat_of` a file that will have another one when it is written again; empty where it was written just now.

    Args:
        path: of the file.
        now: seconds since the epoch.
    """
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return _stat(status) if _is_settled(status, int(now * 1e9)) else ""


def is_same_stat(known: str, now: str) -> bool:
    """Whether a stat that is known says the same as one of now; earlier versions of this package knew no ctime."""
    if known.count(":") == 2:
        size, mtime, _, inode = now.split(":") if now.count(":") == 3 else ("", "", "", "")
        return known == f"{size}:{mtime}:{inode}"
    return known == now


def reason(error: OSError) -> str:
    """Why a file cannot be read, in a few words."""
    return error.strerror or str(error) or type(error).__name__


def _is_settled(status: os.stat_result, now_ns: int) -> bool:
    return all(
        time_ns < now_ns - (_TICK_NS if time_ns % 1_000_000_000 else _COARSE_TICK_NS)
        for time_ns in (status.st_mtime_ns, status.st_ctime_ns)
    )


def _stat(status: os.stat_result) -> str:
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _digest(stream: IO[bytes], start: bytes = b"") -> str:
    digest = hashlib.sha256(start)
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _text_digest(stream: IO[bytes], longest: int) -> tuple[str, str | None]:
    data = stream.read(longest + 1)
    if len(data) > longest:
        return _digest(stream, data), None
    try:
        text = decode_text(data)
    except ItemError:
        return content_hash(data), None
    return content_hash(text), text


def _dimensions(stream: IO[bytes]) -> tuple[int | None, int | None]:
    stream.seek(0)
    size = stream_size(stream)
    # A broken header can claim more than the catalog's columns hold.
    return size if size is not None and max(size) < 2**31 else (None, None)


def _facts_of(previous: pa.Table) -> Iterator[tuple[str, Facts]]:
    if STAT_COLUMN not in previous.column_names:
        return
    names = ("id", "modality", "content_hash", "size", "width", "height", "text", STAT_COLUMN)
    for batch in previous.select(list(names)).filter(pc.not_equal(previous[STAT_COLUMN], "")).to_batches():
        columns = (batch[name].to_pylist() for name in names)
        for key, modality, digest, size, width, height, text, stat_ in zip(*columns, strict=True):
            # Of a picture, `text` comes from the metadata.
            yield key, Facts(digest, size, width, height, text if modality == "text" else None, stat_)
