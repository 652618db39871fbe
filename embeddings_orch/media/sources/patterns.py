"""Which files of a folder count: ``**/*.png`` and the like, over POSIX paths relative to the folder."""

from __future__ import annotations

import re
from collections.abc import Sequence

import bracex
from wcmatch import glob

_FLAGS = glob.GLOBSTAR | glob.CASE | glob.FORCEUNIX
_MOST_ALTERNATIVES = 1000


class Patterns:
    """Glob patterns to include and to exclude; an exclusion wins.

    ``**`` stands for any number of folders, none among them, so ``**/*.png`` has the files at the top too.
    ``*`` and ``?`` stop at a slash, ``[a-z]`` and ``[!a-z]`` are classes, ``{png,jpg}`` and ``{1..9}`` alternatives;
    a slash at the end means all below. Case counts. A name that begins with a dot is included only by a pattern that
    spells the dot out, as in a shell.

    Example:
        >>> patterns = Patterns(["**/*.{png,jpg}"], ["drafts/"])
        >>> [patterns.match(path) for path in ("a.png", "b/c.jpg", "drafts/a.png", ".cache/a.png")]
        [True, True, False, False]
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str] = ()) -> None:
        included = [alternative for pattern in include for alternative in _expand(pattern)]
        excluded = [alternative for pattern in exclude for alternative in _expand(pattern)]
        self._include = _compile(included, hidden=False)
        self._included = [_compile([alternative], hidden=False) for alternative in included]
        self._exclude = _compile(excluded, hidden=True)
        self._exclude_below = _compile(
            [alternative for alternative in excluded if alternative.endswith("/**")], hidden=True
        )
        self._names_hidden = any(part.startswith(".") for alternative in included for part in alternative.split("/"))

    def match(self, path: str) -> bool:
        """Whether a file counts."""
        return bool(self._include.fullmatch(path)) and not self._exclude.fullmatch(path)

    def name_extension(self, path: str) -> bool:
        """Whether a pattern includes a file because of its extension.

        Example:
            >>> patterns = Patterns(["**/*", "**/*.{wav,flac}"])
            >>> [patterns.name_extension(path) for path in ("a.wav", "b/c.flac", "a.mp3")]
            [True, True, False]
        """
        stem, dot, extension = path.rpartition(".")
        # Of the same length, as `???` names no extension; of letters, as `[a-z]*` names none either.
        other = f"{stem}{dot}{'z' * len(extension)}"
        return any(pattern.fullmatch(path) and not pattern.fullmatch(other) for pattern in self._included)

    def excludes(self, path: str) -> bool:
        """Whether a file is excluded by name."""
        return bool(self._exclude.fullmatch(path))

    def descend(self, folder: str) -> bool:
        """Whether anything below a folder can count."""
        if folder.rpartition("/")[2].startswith(".") and not self._names_hidden:
            return False
        # A pattern that ends in /** and matches one name in the folder matches all that is below.
        return not self._exclude_below.fullmatch(f"{folder}/x")


def check_pattern(pattern: str) -> str:
    """The pattern itself.

    Raises:
        ValueError: no path relative to the folder can match it or one of its alternatives, or these are too many.
    """
    if not pattern:
        raise ValueError("a pattern is empty")
    # Each alternative, as braces may hide a slash or dots.
    if any(path.startswith("/") or ".." in path.split("/") for path in _expand_braces(pattern)):
        raise ValueError(f"the pattern {pattern!r} leaves the folder; patterns are relative to it")
    return pattern


def _expand(pattern: str) -> list[str]:
    """The alternatives of a pattern, without ``.`` and doubled slashes, and with ``**`` after a last slash."""
    return [_normalize(alternative) for alternative in _expand_braces(pattern)]


def _expand_braces(pattern: str) -> list[str]:
    """The alternatives of a pattern, as wcmatch reads them."""
    # A backslash and a `^` in a class are characters like others, as in Python's own glob.
    escaped = pattern.replace("\\", "\\\\").replace("[^", "[\\^")
    try:
        return list(bracex.expand(escaped, keep_escapes=True, limit=_MOST_ALTERNATIVES))
    except bracex.ExpansionLimitException as error:
        raise ValueError(f"the pattern {pattern!r} has more than {_MOST_ALTERNATIVES} alternatives") from error


def _normalize(pattern: str) -> str:
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return "/".join([*parts, "**"] if pattern.endswith("/") else parts)


def _compile(patterns: Sequence[str], *, hidden: bool) -> re.Pattern[str]:
    regexes = glob.translate(patterns, flags=_FLAGS | (glob.DOTGLOB if hidden else 0), limit=0)[0]
    # Without a pattern nothing matches.
    return re.compile("|".join(regexes) or r"(?!)")
