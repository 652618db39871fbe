"""Files that a scan passes over: of which kinds, how many, some names, and what to do where they are meant."""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Self

from embeddings_orch.media.decoding.kinds import KINDS

EXAMPLES = 3
"""Names that are told of each kind."""

_KINDS = 20
"""Kinds that are told; the files of others count together."""

_LOOKED_AT = 1000
"""Files without an extension whose first bytes a scan looks at."""

_LONGEST = 10
"""Characters of an extension; what is longer is a part of the name."""

_UNTOLD = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", "icon\r"})
"""What systems leave in folders, and nobody misses."""

NO_EXTENSION = "without an extension"
_PICTURES = "without an extension, a picture inside"
_SPECIAL = "no regular file"
_OTHERS = "other kinds"

_ADVICE = {
    "HEIF pictures are not read: convert them to JPEG or PNG": (".heic", ".heif", ".heics", ".heifs", ".hif"),
    "the installed Pillow cannot read them: pip install --upgrade pillow": (".webp", ".avif", ".avifs"),
    "a camera's raw pictures are not read: export them as JPEG or TIFF": (
        *(
            ".raw",
            ".dng",
            ".cr2",
            ".cr3",
            ".crw",
            ".nef",
            ".nrw",
            ".arw",
            ".srf",
            ".sr2",
            ".orf",
            ".rw2",
            ".raf",
            ".pef",
        ),
        *(".srw", ".x3f", ".3fr", ".erf", ".kdc", ".mrw", ".iiq"),
    ),
    "pictures of this format are not read: export them as PNG or JPEG": (
        *(".psd", ".psb", ".xcf", ".kra", ".ai", ".svg", ".eps", ".ico", ".icns", ".tga", ".jp2", ".j2k", ".jxl"),
        *(".exr", ".hdr", ".dds", ".pcx", ".emf", ".wmf", ".cdr", ".indd", ".dcm", ".fits"),
    ),
    "videos are not read: export frames as pictures": (
        *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts", ".m2ts"),
    ),
    "sounds of this format are not read: convert them to WAV or FLAC": (".wma", ".mid", ".midi", ".amr", ".ape", ".wv"),
    "documents are not read: save their text as .txt or .md": (
        *(".pdf", ".doc", ".docx", ".odt", ".rtf", ".html", ".htm", ".epub", ".rst", ".tex", ".ppt", ".pptx"),
    ),
    "tables are read by `source: table`, captions from the files that `metadata` names": (
        *(".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xls", ".xlsx"),
    ),
    "archives are not read: unpack them": (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"),
    "nothing tells what such a file is: give it an extension": ("",),
}
_ADVICE_OF = {extension: advice for advice, extensions in _ADVICE.items() for extension in extensions}
_UNKNOWN = "no kind of picture, text or sound that is read"
_SIGNATURES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
)
_SIGNED = 12
"""First bytes that tell a format."""


@dataclass(frozen=True)
class PassedOver:
    """Files of one kind that a scan passes over.

    Attributes:
        kind: their extension, or what they are.
        count: of them.
        advice: why they are passed over, and what to do where they are meant.
        examples: some of their names, the first ones.
    """

    kind: str
    count: int
    advice: str
    examples: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """As JSON has it; `from_data` reads it."""
        return {**asdict(self), "examples": list(self.examples)}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Self:
        """What `to_data` made."""
        return cls(**{**data, "examples": tuple(data["examples"])})

    def to_row(self) -> dict[str, str | int]:
        """As a table has it; `describe_rows` puts it into words."""
        more = ", ..." if self.count > len(self.examples) else ""
        return {
            "kind": self.kind,
            "count": self.count,
            "examples": f"{', '.join(self.examples)}{more}",
            "advice": self.advice,
        }


def describe_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many files were passed over, and of each kind some; empty where there are none.

    Args:
        rows: as `PassedOver.to_row` makes them.
    """
    count = sum(int(row["count"]) for row in rows)
    told = "; ".join(f"{int(row['count']):,} {row['kind']} ({row['examples']}: {row['advice']})" for row in rows)
    return f"passed over {count:,} file{'' if count == 1 else 's'}: {told}" if count else ""


def advise(name: str) -> str:
    """Why a file of a kind that is not read is passed over, and what to do."""
    extension = _extension(name)
    kind = KINDS.get(extension)
    if kind is not None and kind.modality == "audio":
        return f"sounds count where `include` names their extension, as **/*{extension}"
    return _ADVICE_OF.get(extension, _UNKNOWN)


class PassedOverTally:
    """Counts the files that are passed over, by kind, and keeps some names of each."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._names: dict[str, list[str]] = {}

    def add(self, name: str, *, regular: bool = True) -> None:
        """Count a file.

        Args:
            name: its path relative to the folder.
            regular: False for pipes, devices and links to nothing.
        """
        if PurePosixPath(name).name.lower() in _UNTOLD:
            return
        extension = _extension(name) if regular else _SPECIAL
        self._counts[extension] = self._counts.get(extension, 0) + 1
        names = self._names.setdefault(extension, [])
        names.append(name)
        most = _LOOKED_AT if not extension else EXAMPLES
        if len(names) >= 2 * most:
            # Those that come first, in whatever order the file system lists them.
            self._names[extension] = heapq.nsmallest(most, names)

    def kinds(self, read_start: Callable[[str], bytes]) -> tuple[PassedOver, ...]:
        """The kinds, the most frequent first.

        Args:
            read_start: the first bytes of a file by its name, empty where it cannot be read; asked of some of those
                without an extension, which may be pictures all the same.
        """
        return tuple(_limit(sorted(self._list_kinds(read_start), key=lambda kind: (-kind.count, kind.kind))))

    def _list_kinds(self, read_start: Callable[[str], bytes]) -> Iterator[PassedOver]:
        for extension, count in self._counts.items():
            names = sorted(self._names[extension])
            if extension == _SPECIAL:
                yield PassedOver(
                    _SPECIAL, count, "pipes, devices and links to nothing are not read", tuple(names[:EXAMPLES])
                )
            elif extension:
                yield PassedOver(extension, count, advise(names[0]), tuple(names[:EXAMPLES]))
            else:
                yield from _without_extension(names[:_LOOKED_AT], count, read_start)


def _without_extension(names: Sequence[str], count: int, read_start: Callable[[str], bytes]) -> Iterator[PassedOver]:
    pictures = {name: kind for name in names if (kind := _format_of(read_start(name)))}
    others = [name for name in names if name not in pictures]
    if pictures:
        first = next(iter(pictures))
        advice = f"give each the extension of its format, as {first}{pictures[first]}"
        yield PassedOver(_PICTURES, len(pictures), advice, tuple(pictures)[:EXAMPLES])
    if count > len(pictures):
        yield PassedOver(NO_EXTENSION, count - len(pictures), _ADVICE_OF[""], tuple(others[:EXAMPLES]))


def _format_of(start: bytes) -> str:
    """The extension of the picture that begins with some bytes, empty where they tell of none."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return ".webp"
    if start[4:8] == b"ftyp":
        return {b"avif": ".avif", b"heic": ".heic", b"mif1": ".heic"}.get(start[8:12], "")
    return next((extension for signature, extension in _SIGNATURES if start.startswith(signature)), "")


def _limit(kinds: Sequence[PassedOver]) -> Iterable[PassedOver]:
    if len(kinds) <= _KINDS:
        return kinds
    rest = kinds[_KINDS - 1 :]
    examples = tuple(name for kind in rest for name in kind.examples[:1])[:EXAMPLES]
    return [*kinds[: _KINDS - 1], PassedOver(_OTHERS, sum(kind.count for kind in rest), _UNKNOWN, examples)]


def _extension(name: str) -> str:
    """The extension in lower case with its dot; empty where there is none, or what looks like none."""
    extension = PurePosixPath(name).suffix.lower()
    plain = extension[1:]
    return extension if plain.isalnum() and not plain.isdigit() and len(plain) <= _LONGEST else ""


def read_first_bytes(path: str) -> bytes:
    """The bytes of a local file by which its format is told; none where it cannot be read."""
    try:
        # Whoever opens a pipe waits for its other end.
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(_SIGNED)
    except OSError:
        return b""
