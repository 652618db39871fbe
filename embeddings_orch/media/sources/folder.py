"""The source ``folder``: pictures, texts and sounds below a local folder, with captions from metadata files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, field_validator

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import Listing, Problem, Scan, Source
from embeddings_orch.media.catalog.choice import ColumnsConfig
from embeddings_orch.media.catalog.columns import ColumnType, catalog_table
from embeddings_orch.media.decoding.kinds import kind_of
from embeddings_orch.media.passed_over import read_first_bytes
from embeddings_orch.media.sources.files import Facts, File, FileFacts, LocalPath, reason, stat_of
from embeddings_orch.media.sources.metadata import OWN_TEXTS, metadata_names, read_metadata
from embeddings_orch.media.sources.patterns import Patterns, check_pattern
from embeddings_orch.media.sources.walk import walk


class FolderConfig(ColumnsConfig):
    """Settings of the source ``folder``.

    Example:
        >>> FolderConfig(path="photos", include=("**/*.jpg",)).metadata
        'metadata.csv'
    """

    source: ClassVar[str] = "folder"

    path: LocalPath = Field(description="The folder.")
    include: tuple[str, ...] = Field(
        ("**/*",),
        min_length=1,
        description="Glob patterns of the files that count; sounds do where one names their extension (**/*.wav).",
    )
    exclude: tuple[str, ...] = Field((), description="Glob patterns of files that do not, whatever includes them.")
    metadata: str = Field(
        "metadata.csv",
        description="Name of the files, one to a folder, with captions and other columns; .csv or .jsonl, "
        "either is found; empty for none.",
    )
    types: dict[str, ColumnType] = Field({}, description="Types of metadata columns, else told from their values.")

    @field_validator("include", "exclude")
    @classmethod
    def _relative(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_pattern(pattern) for pattern in patterns)

    @field_validator("metadata")
    @classmethod
    def _metadata_file(cls, name: str) -> str:
        if name and ("/" in name or not name.lower().endswith((".csv", ".jsonl"))):
            raise ValueError(f"{name!r} is not the name of a .csv or .jsonl file")
        return name


class FolderSource(Source[FolderConfig]):
    """Lists the pictures and texts of a folder, and the sounds whose extension a pattern names.

    An item's id is its POSIX path relative to the folder.
    """

    config_class = FolderConfig

    def __init__(self, config: FolderConfig, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(config)
        self._now = now

    def scan(self, previous: pa.Table | None, progress: Callable[[int], None] = lambda _: None) -> Scan:
        """List all items, with their captions and columns.

        Raises:
            SourceError: the folder or one of its metadata files cannot be read.
        """
        started = self._now()
        root = _folder(self.config.path)
        patterns = Patterns(self.config.include, self.config.exclude)
        below = walk(root, patterns, metadata_names(self.config.metadata))
        problems = below.problems
        files: list[File] = []
        facts: list[Facts] = []
        listed = sorted(below.files, key=lambda file: file.id)
        facts_of = FileFacts(previous, started, self.config.max_bytes.text)
        for file, fact in zip(listed, facts_of.look(listed, progress), strict=True):
            if isinstance(fact, OSError):
                # One that was removed since it was listed is gone; any other is there and may be read another time.
                hides = None if isinstance(fact, FileNotFoundError) else file.id
                problems.append(Problem(file.id, f"it cannot be read: {reason(fact)}", hides))
            else:
                files.append(file)
                facts.append(fact)
        metadata = read_metadata(
            root,
            below.metadata,
            [file.id for file in files],
            types=self.config.types,
            choice=self.config.columns,
        )
        table = _table(files, facts, metadata.columns)
        # The order in which a folder is listed is the file system's.
        problems.sort(key=lambda problem: problem.where)
        passed_over = below.passed_over.kinds(lambda name: read_first_bytes(os.path.join(root, name)))
        return Scan(table, problems + metadata.problems, passed_over)

    @property
    def root(self) -> str:
        """The folder, whatever it is a link to."""
        return os.path.abspath(self.config.path)

    def list_items(self) -> Listing:
        """The files by size, times and inode, and the metadata files.

        Raises:
            SourceError: the folder cannot be listed.
        """
        root = _folder(self.config.path)
        below = walk(root, Patterns(self.config.include, self.config.exclude), metadata_names(self.config.metadata))
        return Listing(
            {file.id: stat_of(file.path) for file in below.files},
            {name: stat_of(os.path.join(root, name)) for name in below.metadata},
        )

    def read(self, uri: str) -> bytes:
        """The bytes of a file.

        Raises:
            OSError: it cannot be read.
        """
        return Path(uri).read_bytes()


def _folder(path: Path) -> Path:
    # Not resolved: a link to the folder may be what stays when the folder moves.
    folder = os.path.abspath(path)
    hint = "a relative path is relative to the YAML file"
    if not os.path.exists(folder):
        raise SourceError(f"the media folder {folder} does not exist ({hint})")
    if not os.path.isdir(folder):
        raise SourceError(f"{folder} is a file, not a folder of media; for a table of media use `source: table`")
    try:
        folder.encode()
    except UnicodeEncodeError as error:
        raise SourceError(f"the path of the media folder {os.fsencode(folder)!r} is not UTF-8") from error
    return Path(folder)


def _table(files: list[File], facts: list[Facts], metadata: dict[str, pa.Array]) -> pa.Table:
    nothing: list[None] = [None] * len(files)
    told = metadata["text"].to_pylist() if "text" in metadata else nothing
    texts = [
        fact.text if file.modality == "text" else text for file, fact, text in zip(files, facts, told, strict=True)
    ]
    kinds = [kind_of(file.id) for file in files]
    columns: dict[str, Any] = {
        "id": [file.id for file in files],
        "uri": [file.path for file in files],
        "content_hash": [fact.content_hash for fact in facts],
        "modality": [file.modality for file in files],
        "mime": [kind.mime if kind else None for kind in kinds],
        "size": [fact.size for fact in facts],
        "width": [fact.width for fact in facts],
        "height": [fact.height for fact in facts],
        "caption": metadata.get("caption", nothing),
        "text": texts,
    }
    user_columns = {name: values for name, values in metadata.items() if name not in OWN_TEXTS}
    return catalog_table(columns, user_columns, [fact.stat for fact in facts])
