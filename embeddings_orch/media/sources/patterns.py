"""Which files of a folder count: ``**/*.png`` and the like, over POSIX paths relative to the folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_ALTERNATIVES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_CLASS = re.compile(r"\[(!?)([^\]/]+)\]")


class Patterns:
    """Glob patterns to include and to exclude; an exclusion wins.

    ``**`` stands for any number of folders, none among them, so ``**/*.png`` has the files at the top too.
    ``*`` and ``?`` stop at a slash, ``[a-z]`` and ``[!a-z]`` are classes, ``{png,jpg}`` alternatives; a slash
    at the end means all below. Case counts. A name that begins with a dot is included only by a pattern that
    spells the dot out, as in a shell.

    Example:
        >>> patterns = Patterns(["**/*.{png,jpg}"], ["drafts/"])
        >>> [patterns.match(path) for path in ("a.png", "b/c.jpg", "drafts/a.png", ".cache/a.png")]
        [True, True, False, False]
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str] = ()) -> None:
        included = [one for pattern in include for one in _expand(pattern)]
        excluded = [one for pattern in exclude for one in _expand(pattern)]
        self._include = _compile(included, hidden=False)
        self._included = [_compile([one], hidden=False) for one in included]
        self._exclude = _compile(excluded, hidden=True)
        self._exclude_below = _compile([one for one in excluded if one.endswith("/**")], hidden=True)
        self._names_hidden = any(part.startswith(".") for one in included for part in one.split("/"))

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
        return any(one.fullmatch(path) and not one.fullmatch(other) for one in self._included)

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
        ValueError: no path relative to the folder can match it.
    """
    if not pattern:
        raise ValueError("a pattern is empty")
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise ValueError(f"the pattern {pattern!r} leaves the folder; patterns are relative to it")
    return pattern


def _compile(patterns: Sequence[str], *, hidden: bool) -> re.Pattern[str]:
    # Without a pattern nothing matches.
    return re.compile("|".join(f"(?:{_regex(pattern, hidden=hidden)})" for pattern in patterns) or r"(?!)", re.DOTALL)


def _expand(pattern: str) -> Iterator[str]:
    found = _ALTERNATIVES.search(pattern)
    if found is None:
        pattern = pattern.removeprefix("./")
        yield f"{pattern}**" if pattern.endswith("/") else pattern
        return
    for alternative in found[1].split(","):
        yield from _expand(pattern[: found.start()] + alternative + pattern[found.end() :])


def _regex(pattern: str, *, hidden: bool) -> str:
    no_dot = "" if hidden else r"(?!\.)"
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    regex = ""
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if part == "**":
            regex += rf"{no_dot}[^/]+(?:/{no_dot}[^/]+)*" if last else rf"(?:{no_dot}[^/]+/)*"
        else:
            regex += _part(part, no_dot) + ("" if last else "/")
    return regex


def _part(part: str, no_dot: str) -> str:
    regex = no_dot if part[0] in "*?[" else ""
    position = 0
    while position < len(part):
        found = _CLASS.match(part, position)
        if found:
            inside = found[2].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
            # A class, and no less its negation, never spans folders.
            regex += f"(?!/)[{'^' if found[1] else ''}{inside}]"
            position = found.end()
            continue
        regex += {"*": "[^/]*", "?": "[^/]"}.get(part[position], re.escape(part[position]))
        position += 1
    return regex
