"""What the commands share: errors as messages, the choice of a pipeline, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from embeddings_orch.cli.output.screen import screens, write_data
from embeddings_orch.errors import EmbeddingsOrchError, SpecError

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


_EXIT_CODE = "--exit-code"


@contextmanager
def _one_where_asked(exit_code: bool) -> Iterator[None]:
    """With ``--exit-code`` 2 means changes, so that a usage error has to be 1 as any other."""
    try:
        yield
    except click.UsageError as error:
        if not exit_code:
            raise
        error.show()
        raise click.exceptions.Exit(1) from error


class CommandGroup(click.Group):
    """Shows our own errors as one message and exit status 1; click's usage errors exit with 2."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command.parse_args`."""
        ctx.meta[_EXIT_CODE] = _EXIT_CODE in args
        with _one_where_asked(ctx.meta[_EXIT_CODE]):
            return super().parse_args(ctx, args)

    def main(self, *args: Any, **options: Any) -> Any:
        """See `click.Group.main`."""
        with screens():
            return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Group.invoke`."""
        try:
            with _one_where_asked(ctx.meta[_EXIT_CODE]):
                return super().invoke(ctx)
        except EmbeddingsOrchError as error:
            click.secho("error: ", fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            ctx.exit(1)


def pipeline_options(command: F) -> F:
    """Give a command ``--file`` and ``--pipeline``, and the declared pipeline they choose as ``chosen``."""

    @click.option("--file", "-f", type=FILE, help="A pipeline's YAML, in any folder.")
    @click.option("--pipeline", "-p", help="The pipeline's name, where there are several.")
    @wraps(command)
    def wrapper(*args: Any, file: Path | None, pipeline: str | None, **options: Any) -> Any:
        from embeddings_orch.spec.project import find, select

        pipelines = find(file=file)
        try:
            chosen = select(pipelines, pipeline)
        except SpecError as error:
            raise click.UsageError(str(error)) from error
        return command(*args, chosen=chosen.load(), **options)

    return cast(F, wrapper)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object on standard output; logs on standard error."
)


def print_json(value: Any, *, own_data: bool = False) -> None:
    """One JSON object on standard output.

    Args:
        value: the object.
        own_data: whether addresses in it are a person's own data, as columns are, and stay as they are.
    """
    # Here, because numpy and Arrow would take most of the time that a command needs to start.
    from embeddings_orch.models.rows.jsonable import to_jsonable

    # ASCII, and null for what JSON has no number for: so that any parser behind any pipe reads it.
    write_data(json.dumps(to_jsonable(value), allow_nan=False), own_data=own_data)


@dataclass(frozen=True)
class Choice:
    """The options that say which pipelines a command is about.

    Attributes:
        file: a pipeline's YAML; None for those of the project around the current folder.
        pipeline: the pipeline's name.
        every: all pipelines.
    """

    file: Path | None
    pipeline: str | None
    every: bool


def choice_options(command: F) -> F:
    """Give a command ``--file``, ``--pipeline`` and ``--all``, as a `Choice` named ``choice``."""

    @click.option("--file", "-f", type=FILE, help="A pipeline's YAML, in any folder.")
    @click.option("--pipeline", "-p", help="The pipeline's name, where there are several.")
    @click.option("--all", "-a", "every", is_flag=True, help="All pipelines; one that is broken stops no other.")
    @wraps(command)
    def wrapper(*args: Any, file: Path | None, pipeline: str | None, every: bool, **options: Any) -> Any:
        return command(*args, choice=Choice(file, pipeline, every), **options)

    return cast(F, wrapper)


def choose(choice: Choice) -> Sequence[Any]:
    """The pipelines that the options choose, as `project.Found`.

    Raises:
        click.UsageError: there is no such one, or several and none is chosen.
        SpecError: there is no pipeline at all.
    """
    from embeddings_orch.spec.project import find, select

    exclusive({"--all": choice.every, "--pipeline": choice.pipeline})
    pipelines = find(file=choice.file)
    if choice.every:
        return pipelines
    try:
        return [select(pipelines, choice.pipeline)]
    except SpecError as error:
        raise click.UsageError(str(error)) from error


def exclusive(options: dict[str, Any]) -> None:
    """Refuse more than one of some options.

    Raises:
        click.UsageError: there are more.
    """
    names = [name for name, value in options.items() if value]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} exclude each other; give one of them")


def has_dagster() -> bool:
    """Whether Dagster is installed, which then runs the pipelines and is told what commands do."""
    spec = find_spec("dagster")
    return spec is not None and spec.origin is not None  # a folder of that name is none


def say_error(text: str, pipeline: str = "") -> None:
    """An error that does not end the command, on standard error; of a pipeline, where there may be several."""
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    # What cannot be read has its file for a name, and an error that begins with it.
    click.echo(text if not pipeline or text.startswith(pipeline) else f"{pipeline}: {text}", err=True)
