"""Model names: a hub repository, a folder, or a folder inside an installed Python package."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from embeddings_orch.models import EmbeddingsOrchError

PACKAGE = "package:"
ORGANIZATION = "sentence-transformers/"
"""What the library puts before a name without a slash."""

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def is_path(name: str) -> bool:
    """Whether a name is a folder, by its form: the same on every machine. ``org/name`` is a hub repository."""
    started = name in {".", ".."} or name.startswith(("./", "../", "/", "~"))
    return started or "\\" in name or bool(_DRIVE.match(name)) or name.count("/") > 1


def check_name(name: str) -> None:
    """Refuse what is no name.

    Raises:
        ValueError: it is empty, or names no folder in a package.
    """
    if not name.strip():
        raise ValueError("'name' is empty: a hub name, ./FOLDER or package:PACKAGE/FOLDER")
    if name.startswith(PACKAGE):
        package, _, inside = name.removeprefix(PACKAGE).partition("/")
        if not package.isidentifier() or ".." in inside.split("/"):
            raise ValueError(f"{name!r} names no folder in a Python package; write package:PACKAGE/FOLDER")


def folder_of(name: str) -> Path | None:
    """The folder of a local model, None for a hub name.

    Raises:
        EmbeddingsOrchError: the Python package of a ``package:`` name is not installed, or has no such folder.
    """
    if name.startswith(PACKAGE):
        return _in_package(name)
    return Path(name) if is_path(name) else None


def is_local(name: str) -> bool:
    """Whether a name is a folder or in a Python package, and not a hub repository."""
    return name.startswith(PACKAGE) or is_path(name)


def _in_package(name: str) -> Path:
    package, _, inside = name.removeprefix(PACKAGE).partition("/")
    # Of a name without dots this finds the package without importing it.
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise EmbeddingsOrchError(f"{name!r}: the Python package {package!r} is not installed here; pip install it")
    folders = [Path(place, inside) for place in places]
    for folder in folders:
        if folder.is_dir():
            return folder
    raise EmbeddingsOrchError(f"{name!r}: there is no folder {inside!r} in {places[0]}")
