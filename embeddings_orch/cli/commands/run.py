"""The command ``run``: materialize assets, here or on a running Dagster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embeddings_orch.cli.common import choice_options, choose, exclusive, json_option, print_json, say_error
from embeddings_orch.errors import EmbeddingsOrchError, SpecError

if TYPE_CHECKING:
    from embeddings_orch.pipeline.outcome import RunOutcome

_LISTED = 10
_INTERRUPTED = 130
"""What shells give for Ctrl-C."""


@dataclass(frozen=True)
class _Asked:
    """The options that say what is run, and where."""

    retry_failed: bool
    selections: tuple[str, ...]
    remote: str | None
    location: str | None
    timeout: float | None
    wait: bool


@click.command(short_help="Materialize the assets: the same job as in the UI.")
@choice_options
@click.option("--retry-failed", is_flag=True, help="Try again what failed for good.")
@click.option(
    "--select", "-s", "selections", metavar="SEL", multiple=True,
    help="Only some assets: embeddings/clip, +index/x (with all upstream), raw_media+ (downstream); repeatable.",
)  # fmt: skip
@click.option("--fail-on-item-errors", is_flag=True, help="Exit with 1 where contents failed or media were left out.")
@click.option(
    "--report", "reports", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
    help="Write what was done: FILE.xml for JUnit XML, FILE.json; repeatable.",
)  # fmt: skip
@click.option("--remote", metavar="URL", help="Run on the Dagster whose webserver is there, and wait for the end.")
@click.option("--location", metavar="NAME", help="The code location there, where several have the job.")
@click.option("--timeout", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True),
              help="Wait no longer for the remote run; it goes on.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Do not wait for the remote run.")
@json_option
def run(
    file: Path | None,
    pipeline: str | None,
    every: bool,
    retry_failed: bool,
    selections: tuple[str, ...],
    fail_on_item_errors: bool,
    reports: tuple[Path, ...],
    remote: str | None,
    location: str | None,
    timeout: float | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Materialize the pipeline's assets: the job that the Dagster UI runs."""
    from embeddings_orch.cli.output import report

    exclusive({"--all": every, "--select": selections})
    exclusive({"--no-wait": no_wait, "--timeout": timeout})
    exclusive({"--no-wait": no_wait, "--report": reports})
    exclusive({"--no-wait": no_wait, "--fail-on-item-errors": fail_on_item_errors})
    for option, value in (("--location", location), ("--timeout", timeout), ("--no-wait", no_wait)):
        if value and remote is None:
            raise click.UsageError(f"{option} goes with --remote")
    for path in reports:
        if path.suffix.lower() not in report.SUFFIXES:
            raise click.BadParameter(
                f"{path}: a report ends with {' or '.join(report.SUFFIXES)}", param_hint="--report"
            )
    asked = _Asked(retry_failed, selections, remote, location, timeout, not no_wait)
    execute = _runs(file, pipeline, every, asked)
    for path in reports:
        report.prepare(path)

    outcomes: list[RunOutcome] = []
    try:
        for name, start in execute:
            outcomes.append(_outcome(name, start))
            if outcomes[-1].interrupted:
                break
    finally:
        for path in reports:
            if outcomes:
                report.write(path, outcomes, together=every)
    _show(outcomes, every, as_json)
    failed = [_say_failed_items(outcome) for outcome in outcomes] if fail_on_item_errors else []
    sys.exit(max([_status(outcome) for outcome in outcomes] + [int(any(failed))]))


def _runs(
    file: Path | None, pipeline: str | None, every: bool, asked: _Asked
) -> list[tuple[str, Callable[[], RunOutcome]]]:
    """What to call for each pipeline; a selection that names nothing is a usage error."""
    if asked.remote is None:
        found = choose(file, pipeline, every)
        if every:
            return [(one.name or str(one.file), partial(_load_and_run, one, asked)) for one in found]
        return [(one.name or str(one.file), _select_runs(one, asked)) for one in found]
    if pipeline is not None and file is None and not every:
        names = [pipeline]  # no project is needed here
    else:
        found = choose(file, pipeline, every)
        for one in found:
            if one.name is None:
                one.load()  # raises: why its name cannot be told
        names = [one.name for one in found]
    return [(name, partial(_remote, name, asked)) for name in names]


def _select_runs(found: Any, asked: _Asked) -> Callable[[], RunOutcome]:
    try:
        declared = found.load()
    except EmbeddingsOrchError as error:
        return partial(_raise, error)
    if not asked.selections:
        return partial(_local, declared, asked, [])
    from embeddings_orch.pipeline.plan.selection import graph, select_assets

    try:
        chosen = select_assets(graph(declared.spec), declared.name, asked.selections)
    except SpecError as error:
        raise click.UsageError(str(error)) from error
    return partial(_local, declared, asked, chosen)


def _raise(error: EmbeddingsOrchError) -> RunOutcome:
    raise error


def _load_and_run(found: Any, asked: _Asked) -> RunOutcome:
    return _local(found.load(), asked, [])


def _local(declared: Any, asked: _Asked, selection: list[str]) -> RunOutcome:
    from embeddings_orch.cli.output import tables as output
    from embeddings_orch.dagster.runs.local import execute

    with output.progress():
        return execute(declared, retry_failed=asked.retry_failed, selection=selection)


def _remote(name: str, asked: _Asked) -> RunOutcome:
    from embeddings_orch.dagster.runs.remote import RemoteJob
    from embeddings_orch.dagster.runs.webserver import Webserver

    assert asked.remote is not None
    job = RemoteJob.find(Webserver(asked.remote), name, asked.location)
    outcome = job.launch(asked.selections, retry_failed=asked.retry_failed)
    if asked.wait:
        job.wait(outcome, timeout=asked.timeout, say=lambda line: click.echo(line, err=True))
    return outcome


def _outcome(name: str, start: Callable[[], RunOutcome]) -> RunOutcome:
    from embeddings_orch.pipeline.outcome import RunOutcome

    try:
        return start()
    except EmbeddingsOrchError as error:
        return RunOutcome(name, False, "", errors=[str(error)])


def _show(outcomes: list[RunOutcome], every: bool, as_json: bool) -> None:
    from embeddings_orch.cli.output import tables as output

    if as_json and (every or outcomes[0].run_id):
        objects = [outcome.to_json() for outcome in outcomes]
        print_json({"pipelines": objects} if every else objects[0])
    for outcome in outcomes:
        if outcome.run_id:
            if not as_json:
                output.run_table(outcome)
            output.warnings(outcome)
        for line in outcome.errors:
            say_error(line, outcome.pipeline if every else "")


def _say_failed_items(outcome: RunOutcome) -> bool:
    """Say which contents failed and which media were left out, and whether there are any."""
    failed = outcome.count_failed_items()
    for asset, count in failed.items():
        named = [one for one in outcome.item_failures() if one.asset == asset]
        say_error(f"{asset}: {count:,} {'left out' if asset.endswith('/raw_media') else 'failed'}")
        for one in named[:_LISTED]:
            click.echo(f"    {one.item}: {one.reason}".rstrip(": "), err=True)
        if len(named) > _LISTED:
            click.echo(f"    and {count - _LISTED:,} more", err=True)
    return bool(failed)


def _status(outcome: RunOutcome) -> int:
    if outcome.success is None and outcome.interrupted:
        return _INTERRUPTED
    return 0 if outcome.success or (outcome.success is None and not outcome.errors) else 1
