"""Consoles of rich that take nothing for markup and let no control character through."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import IO, Any, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from embeddings_orch.cli.output.screen import Screen, Styled, visible


class PlainConsole(Console):
    """A console for text from anywhere: ``[b]`` and ``:smile:`` are text there.

    Args:
        stream: what it writes to, by default standard output.
        width: columns, by default the terminal's.
    """

    def __init__(self, stream: IO[str] | None = None, *, width: int | None = None) -> None:
        stream = stream or sys.stdout
        # A screen would escape the styles too.
        file = cast(IO[str], Styled(stream)) if isinstance(stream, Screen) else stream
        super().__init__(file=file, width=width, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """See `Console.render_str`; a carriage return would be dropped there."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See `Console.render`; escaped here, whatever it came from, and before it has a style."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class PlainTable(Table):
    """A table whose columns are as wide as what is shown of their cells."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """See `Table.add_row`."""
        super().add_row(*map(_visible_cell, cells), **options)


def _visible_cell(cell: RenderableType | None) -> RenderableType | None:
    if isinstance(cell, Text) and (shown := visible(cell.plain)) != cell.plain:
        return Text(shown, style=cell.style)
    return cell
