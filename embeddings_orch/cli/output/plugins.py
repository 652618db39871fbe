"""How a person sees the plugins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from embeddings_orch.cli.output.terminal import plain_console

if TYPE_CHECKING:
    from embeddings_orch.cli.commands.plugins import Field, Page, Row

_TESTING = ("counting",)
_WIDE = 120
_ROLES = {
    "identity": "Identity: a change embeds everything again",
    "operational": "Operational: a change embeds nothing again",
    None: "Keys",
}


def rows(listed: Sequence[Row]) -> None:
    """The plugins by group, then what is broken, and the commands that add what is not installed."""
    console = plain_console()
    # A line each where there is room, as in a pipe.
    between = "; " if console.width >= _WIDE else "\n"
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    kind = ""
    for row in listed:
        if row.kind != kind:
            kind = row.kind
            table.add_row(Text(row.group, style="bold"), "")
        style = "" if row.installed and not row.error else "dim"
        reads = f"{', '.join(row.reads)}; " if row.reads else ""
        about = Text(f"{row.summary.removesuffix('.')}{between}{reads}", style=style).append(*_state(row))
        table.add_row(Text(f"  {row.name}", style=style), about)
    console.print(table)
    for row in listed:
        if row.error:
            console.print(Text("\nwrong: ", style="red").append(row.error, style="default"), soft_wrap=True)
    missing: dict[str, list[str]] = {}
    for row in listed:
        if not row.installed and row.install:
            missing.setdefault(row.install, []).append(row.name)
    if missing:
        console.print("\nTo add what is not installed:")
    for command, names in missing.items():
        console.print(f"  {command}  # {', '.join(names)}", highlight=False, markup=False, soft_wrap=True)


def page(page: Page) -> None:
    """One plugin: what it is, its keys, an example; or the command that adds it."""
    console, row = plain_console(), page.row
    reads = f" of {', '.join(row.reads)}" if row.reads else ""
    console.print(Text(row.name, style="bold").append(f", {row.kind}{reads}", style="not bold"))
    if row.summary:
        console.print(row.summary, highlight=False, markup=False)
    if row.error:
        console.print(Text("wrong: ", style="red").append(row.error, style="default"), soft_wrap=True)
        return
    if not row.installed:
        console.print(f"not installed; add it: {row.install}", highlight=False, markup=False, soft_wrap=True)
        return
    console.print(f"{row.distribution} {row.version}", style="dim", highlight=False)
    for role, title in _ROLES.items():
        if fields := [field for field in page.fields if field.role == role]:
            console.print(f"\n{title}", style="bold", highlight=False)
            console.print(_fields(fields))
    if page.example:
        console.print("\nExample", style="bold")
        for line in page.example.splitlines():
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def _state(row: Row) -> tuple[str, str]:
    if not row.installed:
        return "not installed", "yellow"
    if row.error:
        return f"{row.distribution} {row.version} cannot be imported", "red"
    return f"{row.distribution} {row.version}{' (for tests)' if row.name in _TESTING else ''}", "green"


def _fields(fields: Sequence[Field]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for field in fields:
        default = "required" if field.required else f"default {_value(field.default)}"
        about = Text(f"{field.description}\n").append(f"{field.type}; {default}", style="dim")
        table.add_row(Text(f"  {field.name}", style="cyan"), about)
    return table


def _value(value: Any) -> str:
    """A default as YAML would have it on one line."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return value or '""'
    return json.dumps(value, ensure_ascii=False)
