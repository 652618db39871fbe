"""How far a run is: bars on a terminal, plain lines elsewhere; on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from embeddings_orch.cli.output.console import PlainConsole
from embeddings_orch.cli.output.screen import Screen
from embeddings_orch.pipeline.events import Progress, RunEvent, StepFailure, StepStart, StepSuccess, listen


@contextmanager
def progress() -> Iterator[None]:
    """Show how far all steps are meanwhile."""
    with _stderr_copy() as stream, _draw_to(stream) if stream.isatty() else _print_to(stream):
        yield


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send what models and SDKs print to standard error meanwhile: standard output is for the command's answer."""
    sys.stdout.flush()
    try:
        descriptor, target = sys.stdout.fileno(), sys.stderr.fileno()
    except (OSError, ValueError):  # a stream of a test or a notebook, that is no file
        yield
        return
    copy = os.dup(descriptor)
    try:
        os.dup2(target, descriptor)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(copy, descriptor)
        os.close(copy)


@contextmanager
def _stderr_copy() -> Iterator[TextIO]:
    """Standard error on a descriptor of its own: while a step runs, Dagster sends the other one to its logs."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):  # a stream of a test or a notebook, that is no file
        yield sys.stderr
        return
    with Screen(os.fdopen(descriptor, "wb"), encoding=sys.stderr.encoding, errors="replace") as stream:
        yield stream


@contextmanager
def _print_to(stream: TextIO) -> Iterator[None]:
    def say(event: RunEvent) -> None:
        if isinstance(event, Progress):
            click.echo(str(event), file=stream)

    with listen(say):
        yield


@contextmanager
def _draw_to(stream: TextIO) -> Iterator[None]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=PlainConsole(stream), transient=True) as bars:
        # Dagster and LanceDB take seconds to load; an empty screen would look like a hang.
        starting = bars.add_task("starting", total=None, rate="")
        with listen(_Drawing(bars, starting).read):
            yield


class _Drawing:
    """A bar for each step: it swings until there is something to count, and goes where there was nothing."""

    def __init__(self, bars: Bars, starting: TaskID) -> None:
        self._bars, self._starting = bars, starting
        self._tasks: dict[str, TaskID] = {}

    def read(self, event: RunEvent) -> None:
        """Draw what an event tells."""
        self._bars.update(self._starting, visible=False)
        match event:
            case StepStart(step=step):
                self._task(str(step))
            case Progress():
                self._bars.update(
                    self._task(event.step),
                    completed=event.done,
                    total=event.total,
                    rate=f"{event.rate:,.0f} {event.unit}/s",
                )
            case StepSuccess(step=step) | StepFailure(step=step):
                task = self._task(str(step))
                if not any(known.id == task and known.completed for known in self._bars.tasks):
                    self._bars.update(task, visible=False)

    def _task(self, name: str) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, rate="")
        return self._tasks[name]
