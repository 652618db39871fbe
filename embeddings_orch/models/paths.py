"""Paths in a declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationInfo


def local_path(value: Any, info: ValidationInfo) -> Any:
    """Make a relative path absolute against the YAML's folder (``context={"base": Path}``), else the current one."""
    base = (info.context or {}).get("base")
    path = Path(value).expanduser()
    return path if path.is_absolute() else Path(base or Path.cwd()) / path
