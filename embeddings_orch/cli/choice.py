"""The pipelines that ``plan`` and ``run`` work on: one, or all of a project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from embeddings_orch.cli.common import FILE
from embeddings_orch.errors import SpecError

F = TypeVar("F", bound=Callable[..., Any])


def choice_options(command: F) -> F:
    """Give a command ``--file``, ``--pipeline`` and ``--all``, as ``file``, ``pipeline`` and ``every``."""
    for option in (
        click.option("--all", "-a", "every", is_flag=True, help="All pipelines; one that is broken stops no other."),
        click.option("--pipeline", "-p", help="The pipeline's name, where there are several."),
        click.option("--file", "-f", type=FILE, help="A pipeline's YAML, in any folder."),
    ):
        command = option(command)
    return command


def choose(file: Path | None, pipeline: str | None, every: bool) -> Sequence[Any]:
    """The pipelines that the options choose, as `project.Found`.

    Raises:
        click.UsageError: there is no such one, or several and none is chosen.
        SpecError: there is no pipeline at all.
    """
    from embeddings_orch.project import find, select

    exclusive({"--all": every, "--pipeline": pipeline})
    found = find(file=file)
    if every:
        return found
    try:
        return [select(found, pipeline)]
    except SpecError as error:
        raise click.UsageError(str(error)) from error


def exclusive(options: dict[str, Any]) -> None:
    """At most one of some options may be given.

    Raises:
        click.UsageError: there are more.
    """
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other; give one of them")


def say_error(text: str, pipeline: str = "") -> None:
    """An error that does not end the command, on standard error; of a pipeline, where there may be several."""
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    # What cannot be read has its file for a name, and an error that begins with it.
    click.echo(text if not pipeline or text.startswith(pipeline) else f"{pipeline}: {text}", err=True)
