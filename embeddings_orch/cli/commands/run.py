"""The command ``run``: materialize assets, here or on a running Dagster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from embeddings_orch.cli.common import (
    Choice,
    F,
    choice_options,
    choose,
    exclusive,
    has_dagster,
    json_option,
    print_json,
    say_error,
)
from embeddings_orch.errors import EmbeddingsOrchError, SpecError
from embeddings_orch.spec.keys import AssetKey

if TYPE_CHECKING:
    from embeddings_orch.pipeline.run.outcome import RunOutcome
    from embeddings_orch.pipeline.run.settings import RunSettings

_LISTED = 10
_INTERRUPTED = 130
"""What shells give for Ctrl-C."""


@dataclass(frozen=True)
class _Remote:
    """The options that say on which Dagster a run is, and how long to wait for it.

    Attributes:
        url: of its webserver; None where the run is here.
        location: the code location there.
        timeout: seconds to wait.
    """

    url: str | None
    location: str | None
    timeout: float | None
    no_wait: bool

    def check(self) -> None:
        """Refuse what means nothing without a webserver.

        Raises:
            click.UsageError: the option that does.
        """
        options = {"--location": self.location, "--timeout": self.timeout, "--no-wait": self.no_wait}
        for option, value in options.items():
            if value and self.url is None:
                raise click.UsageError(f"{option} goes with --remote")


@dataclass(frozen=True)
class _RunOptions:
    """The options that say what is run, and where."""

    settings: RunSettings
    selections: tuple[str, ...]
    remote: _Remote


def _settings_options(command: F) -> F:
    @click.option("--retry-failed", is_flag=True, help="Try again what failed for good.")
    @click.option("--allow-mass-delete", is_flag=True, help="Let more than half of the items go, where they are gone.")
    @click.option("--allow-empty", is_flag=True, help="Let all items go, where the source lists nothing.")
    @click.option("--rehash", is_flag=True, help="Read all media again, those too whose size, times and inode stayed.")
    @wraps(command)
    def wrapper(*, retry_failed: bool, allow_mass_delete: bool, allow_empty: bool, rehash: bool, **options: Any) -> Any:
        from embeddings_orch.pipeline.run.settings import RunSettings

        return command(settings=RunSettings(retry_failed, allow_mass_delete, allow_empty, rehash), **options)

    return cast(F, wrapper)


def _remote_options(command: F) -> F:
    @click.option("--remote", metavar="URL", help="Run on the Dagster whose webserver is there, and wait for the end.")
    @click.option("--location", metavar="NAME", help="The code location there, where several have the job.")
    @click.option("--timeout", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True),
                  help="Wait no longer for the remote run; it goes on.")  # fmt: skip
    @click.option("--no-wait", is_flag=True, help="Do not wait for the remote run.")
    @wraps(command)
    def wrapper(
        *, remote: str | None, location: str | None, timeout: float | None, no_wait: bool, **options: Any
    ) -> Any:
        return command(remote=_Remote(remote, location, timeout, no_wait), **options)

    return cast(F, wrapper)


@click.command(short_help="Materialize the assets: the same job as in the UI.")
@choice_options
@_settings_options
@click.option(
    "--select", "-s", "selections", metavar="SEL", multiple=True,
    help="Only some assets: embeddings/clip, +index/x (with all upstream), raw_media+ (downstream); repeatable.",
)  # fmt: skip
@click.option("--fail-on-item-errors", is_flag=True, help="Exit with 1 where items failed or media were left out.")
@click.option(
    "--report", "reports", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
    help="Write what was done: FILE.xml for JUnit XML, FILE.json; repeatable.",
)  # fmt: skip
@_remote_options
@json_option
def run(
    *,
    choice: Choice,
    settings: RunSettings,
    selections: tuple[str, ...],
    fail_on_item_errors: bool,
    reports: tuple[Path, ...],
    remote: _Remote,
    as_json: bool,
) -> None:
    """Materialize the pipeline's assets: the job that the Dagster UI runs.

    Where Dagster is not installed the same steps run in this process.
    """
    from embeddings_orch.cli.output import report

    exclusive({"--all": choice.every, "--select": selections})
    exclusive({"--no-wait": remote.no_wait, "--timeout": remote.timeout})
    exclusive({"--no-wait": remote.no_wait, "--report": reports})
    exclusive({"--no-wait": remote.no_wait, "--fail-on-item-errors": fail_on_item_errors})
    remote.check()
    for path in reports:
        if path.suffix.lower() not in report.SUFFIXES:
            raise click.BadParameter(
                f"{path}: a report ends with {' or '.join(report.SUFFIXES)}", param_hint="--report"
            )
    starts = _list_starts(choice, _RunOptions(settings, selections, remote))
    for path in reports:
        report.prepare(path)

    outcomes: list[RunOutcome] = []
    try:
        for name, start in starts:
            outcomes.append(_outcome(name, start))
            if outcomes[-1].interrupted:
                break
    finally:
        for path in reports:
            if outcomes:
                report.write(path, outcomes, together=choice.every)
    _show(outcomes, choice.every, as_json)
    failed = [_say_failed_items(outcome) for outcome in outcomes] if fail_on_item_errors else []
    sys.exit(max([_status(outcome) for outcome in outcomes] + [int(any(failed))]))


def _list_starts(choice: Choice, options: _RunOptions) -> list[tuple[str, Callable[[], RunOutcome]]]:
    """What to call for each pipeline; a selection that names nothing is a usage error."""
    if options.remote.url is None:
        pipelines = choose(choice)
        if choice.every:
            return [
                (pipeline.name or str(pipeline.file), partial(_load_and_run, pipeline, options))
                for pipeline in pipelines
            ]
        return [(pipeline.name or str(pipeline.file), _select_runs(pipeline, options)) for pipeline in pipelines]
    if choice.pipeline is not None and choice.file is None and not choice.every:
        names = [choice.pipeline]  # no project is needed here
    else:
        pipelines = choose(choice)
        for pipeline in pipelines:
            if pipeline.name is None:
                pipeline.load()  # raises: why its name cannot be told
        names = [pipeline.name for pipeline in pipelines]
    return [(name, partial(_run_remotely, name, options)) for name in names]


def _select_runs(pipeline: Any, options: _RunOptions) -> Callable[[], RunOutcome]:
    try:
        declared = pipeline.load()
    except EmbeddingsOrchError as error:
        return partial(_raise, error)
    if not options.selections:
        return partial(_run_here, declared, options, [])
    from embeddings_orch.pipeline.plan.selection import graph, select_assets

    try:
        chosen = select_assets(graph(declared.spec), declared.name, options.selections)
    except SpecError as error:
        raise click.UsageError(str(error)) from error
    return partial(_run_here, declared, options, chosen)


def _raise(error: EmbeddingsOrchError) -> RunOutcome:
    raise error


def _load_and_run(pipeline: Any, options: _RunOptions) -> RunOutcome:
    return _run_here(pipeline.load(), options, [])


def _run_here(declared: Any, options: _RunOptions, selection: list[AssetKey]) -> RunOutcome:
    from embeddings_orch.cli.output import bars

    if has_dagster():
        from embeddings_orch.dagster.runs.local import execute

        with bars.progress():
            return execute(declared, settings=options.settings, selection=selection)
    from embeddings_orch.pipeline.run.here import execute_steps

    with bars.progress(), bars.stdout_to_stderr():
        return execute_steps(declared.spec, settings=options.settings, selection=selection)


def _run_remotely(name: str, options: _RunOptions) -> RunOutcome:
    from embeddings_orch.dagster.runs.remote import RemoteJob
    from embeddings_orch.dagster.runs.webserver import Webserver

    remote = options.remote
    assert remote.url is not None
    job = RemoteJob.find(Webserver(remote.url), name, remote.location)
    outcome = job.launch(options.selections, settings=options.settings)
    if not remote.no_wait:
        job.wait(outcome, timeout=remote.timeout, say=lambda line: click.echo(line, err=True))
    return outcome


def _outcome(name: str, start: Callable[[], RunOutcome]) -> RunOutcome:
    from embeddings_orch.pipeline.run.outcome import RunOutcome
    from embeddings_orch.policy.secrets import redact

    try:
        return start()
    except EmbeddingsOrchError as error:
        return RunOutcome(name, False, "", errors=[redact(str(error))])


def _show(outcomes: list[RunOutcome], every: bool, as_json: bool) -> None:
    from embeddings_orch.cli.output import terminal

    if as_json and (every or outcomes[0].run_id):
        objects = [outcome.to_json() for outcome in outcomes]
        print_json({"pipelines": objects} if every else objects[0])
    for outcome in outcomes:
        if outcome.run_id:
            if not as_json:
                terminal.run_table(outcome)
            terminal.warnings(outcome)
        for line in outcome.errors:
            say_error(line, outcome.pipeline if every else "")


def _say_failed_items(outcome: RunOutcome) -> bool:
    """Say which items failed and which media were left out, and whether there are any."""
    from embeddings_orch.cli.output.counts import count_of_items

    failed = outcome.count_failed_items()
    for asset, count in failed.items():
        named = [failure for failure in outcome.item_failures() if failure.asset == asset]
        what = f"{count:,} left out" if AssetKey(asset).kind == "raw_media" else f"{count_of_items(count)} failed"
        say_error(f"{asset}: {what}")
        for failure in named[:_LISTED]:
            click.echo(f"    {failure.item}: {failure.reason}".rstrip(": "), err=True)
        if len(named) > _LISTED:
            click.echo(f"    and {count - _LISTED:,} more", err=True)
    return bool(failed)


def _status(outcome: RunOutcome) -> int:
    if outcome.success is None and outcome.interrupted:
        return _INTERRUPTED
    return 0 if outcome.success or (outcome.success is None and not outcome.errors) else 1
