"""What a table's ``uri`` means: a local file, absolute, relative to the table, or as ``file://``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

_SCHEME = re.compile(r"\A(?:([A-Za-z][A-Za-z0-9+.-]*+)://|(file):/)", re.IGNORECASE)
"""``file:/x`` is as good as ``file:///x`` (RFC 8089, appendix B)."""


def local_file(uri: Any, folder: Path) -> str:
    """The absolute path of a local file.

    Raises:
        ValueError: the URI is not one of a local file.

    Example:
        >>> local_file("a%20b.png", Path("/photos")), local_file("file:///x/a%20b.png", Path("/photos"))
        ('/photos/a%20b.png', '/x/a b.png')
    """
    if not isinstance(uri, str) or "\0" in uri:
        raise ValueError(f"{uri!r} is not a path")
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return os.path.abspath(folder / uri)
    if scheme[1] and scheme[1].lower() != "file":
        raise ValueError(f"{uri}: a source for {scheme[1]}:// is not installed; a table names local files")
    split = urlsplit(uri)
    if split.netloc not in ("", "localhost"):
        raise ValueError(f"{uri} is on another machine ({split.netloc})")
    return os.path.abspath(url2pathname(split.path))
