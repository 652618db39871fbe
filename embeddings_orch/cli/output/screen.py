"""Standard output and standard error as they are while a command runs: nothing from outside moves the cursor.

File names, captions and reasons may hold escape sequences, which a terminal obeys: they would recolour or erase lines,
or write to the clipboard. They are shown escaped, and secrets not at all, whoever writes: a command, a library's log,
or a traceback.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import click

from embeddings_orch.policy.secret_patterns import hide_in_addresses

_KEPT = "\t\n"
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
"""C0 and C1, and what turns the order of characters around; marks and joiners that scripts and emoji need are none."""
_ESCAPED = {code: ascii(chr(code))[1:-1] for code in _CONTROLS if chr(code) not in _KEPT}
_LABEL = re.compile(r"((?:\x1b\[\d+m)+)([^\x1b\n]*+)(\x1b\[0m)")
"""What `click.secho` writes of a label, a write of its own."""
_MOVE = re.compile(r"\n*+(?:\x1b\[A)*+|\r")


def visible(text: str) -> str:
    """The text with every control character escaped, but tabs and line ends: a backslash and its number."""
    return text.translate(_ESCAPED)


def _redact(text: str, *, addresses: bool = True) -> str:
    # Loaded by what reads secrets: until then none is known, and --help answers at once.
    secrets = sys.modules.get("embeddings_orch.policy.secrets")
    hide = getattr(secrets, "redact" if addresses else "redact_remembered", None)
    if hide is None:
        return hide_in_addresses(text, "[secret]") if addresses else text
    return str(hide(text))


class Screen(io.TextIOWrapper):
    """A stream that escapes what it is given, but for a label's colours and a progress bar's return to its line."""

    def write(self, text: str, /) -> int:
        """Write text from anywhere."""
        if label := _LABEL.fullmatch(text):
            super().write(f"{label[1]}{visible(label[2])}{label[3]}")
        elif _MOVE.fullmatch(text):
            super().write(text)
        else:
            # A bar of a library is written anew without an end of line; a line of ours has one.
            back = "\r" if text.startswith("\r") and not text.endswith("\n") else ""
            super().write(back + visible(_redact(text[len(back) :])))
        return len(text)

    def write_styled(self, text: str) -> None:
        """Write what is escaped already, and has styles."""
        super().write(_redact(text))

    def write_data(self, text: str, *, own_data: bool) -> None:
        """Write JSON, which escapes by itself; addresses stay where they are a person's own data."""
        super().write(_redact(text, addresses=not own_data))


class Styled:
    """A screen for a console of rich, which has escaped what it was given and puts styles around it."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._screen, name)

    def write(self, text: str) -> int:
        """Write text with styles."""
        self._screen.write_styled(text)
        return len(text)


def write_data(text: str, *, own_data: bool) -> None:
    """A line of JSON on standard output; addresses in it stay where they are a person's own data."""
    if isinstance(sys.stdout, Screen):
        sys.stdout.write_data(f"{text}\n", own_data=own_data)
        sys.stdout.flush()
    else:
        click.echo(text)


@contextmanager
def screens() -> Iterator[None]:
    """Have standard output and standard error be screens meanwhile."""
    with ExitStack() as stack:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            # Of a notebook or a test it may be something else.
            if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, Screen):
                stack.enter_context(_replaced(name, stream))
        yield


@contextmanager
def _replaced(name: str, stream: io.TextIOWrapper) -> Iterator[None]:
    stream.flush()
    screen = screen_on(stream)
    setattr(sys, name, screen)
    try:
        yield
    except SystemExit:
        _restore(name, stream, screen)
        raise
    else:
        _restore(name, stream, screen)
    # Any other error is shown by Python itself, with its traceback: on the screen too.


def _restore(name: str, stream: io.TextIOWrapper, screen: Screen) -> None:
    setattr(sys, name, stream)
    with suppress(OSError, ValueError):  # whoever wrote last has been told
        screen.detach()


def screen_on(stream: io.TextIOWrapper) -> Screen:
    """A screen that writes to where a stream does; a caption's emoji ends no command where the encoding has none."""
    # An encoding of ASCII is a locale that nobody has set; click writes UTF-8 there as well.
    encoding = "utf-8" if stream.encoding.lower() in ("ascii", "ansi_x3.4-1968", "us-ascii") else stream.encoding
    return Screen(stream.buffer, encoding=encoding, errors="replace", line_buffering=stream.line_buffering)
