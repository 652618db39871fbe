"""The files below a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import Problem
from embeddings_orch.media.decoding.kinds import kind_of
from embeddings_orch.media.passed_over import PassedOverTally
from embeddings_orch.media.sources.files import File, reason
from embeddings_orch.media.sources.patterns import Patterns


@dataclass
class Walk:
    """What was found, in no order.

    Attributes:
        metadata: the metadata files, relative to the folder.
        passed_over: files that the patterns include and whose kind is not read, and sounds that no pattern names.
    """

    files: list[File] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    passed_over: PassedOverTally = field(default_factory=PassedOverTally)


def walk(root: Path, patterns: Patterns, metadata_names: frozenset[str]) -> Walk:
    """List a folder, through links too, except those that lead back up.

    Raises:
        SourceError: the folder itself cannot be listed.
    """
    listing = Walk()
    todo: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while todo:
        folder, above = todo.pop()
        path = os.path.join(root, folder) if folder else str(root)
        try:
            status = os.stat(path)
            identity = (status.st_dev, status.st_ino)
            if identity in above:
                continue
            with os.scandir(path) as listed:
                entries = list(listed)
        except OSError as error:
            if not folder:
                raise SourceError(f"the media folder {path} cannot be listed: {reason(error)}") from error
            why = f"the folder cannot be listed: {reason(error)}"
            listing.problems.append(Problem(_printable(folder), why, hides=f"{folder}/"))
            continue
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            try:
                is_folder = entry.is_dir()
            except OSError as error:
                listing.problems.append(Problem(_printable(name), f"it cannot be read: {reason(error)}", hides=name))
                continue
            if is_folder:
                if patterns.descend(name):
                    todo.append((name, above | {identity}))
            elif entry.name in metadata_names:
                if not patterns.excludes(name):
                    listing.metadata.append(name)
            elif patterns.match(name):
                _add(listing, entry, name, patterns)
    return listing


def _add(listing: Walk, entry: os.DirEntry[str], name: str, patterns: Patterns) -> None:
    kind = kind_of(name)
    # Most models read no sounds: one among a folder's pictures must not count as a failure by itself.
    if kind is None or (kind.modality == "audio" and not patterns.name_extension(name)):
        listing.passed_over.add(_printable(name), regular=_is_file(entry))
    elif _printable(name) != name:
        listing.problems.append(Problem(_printable(name), "its name is not UTF-8; rename it"))
    elif entry.is_symlink() and not os.path.exists(entry.path):
        listing.problems.append(Problem(name, f"a link to a missing file: {os.readlink(entry.path)}"))
    elif not _is_file(entry):
        listing.passed_over.add(name, regular=False)
    else:
        listing.files.append(File(name, entry.path, kind.modality))


def _printable(name: str) -> str:
    # Bytes of a name that are not UTF-8 arrive as lone surrogates, which nothing can store.
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
