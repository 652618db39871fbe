"""The command ``plan``: what a run would do, or what a change of the declaration changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from embeddings_orch.cli.common import Choice, choice_options, choose, exclusive, json_option, print_json, say_error
from embeddings_orch.errors import EmbeddingsOrchError

if TYPE_CHECKING:
    from embeddings_orch.cli.output.markdown import Planned

NOTHING, FAILED, CHANGES = 0, 1, 2
"""The exit statuses of ``--exit-code``."""


@click.command(short_help="Show what a run would do and cost.")
@choice_options
@click.option("--retry-failed", is_flag=True, help="Count what failed for good as to do again.")
@click.option("--against", metavar="REF", help="Compare the declaration with a git revision's; media are not read.")
@click.option("--exit-code", is_flag=True, help="Exit with 0 where nothing is to do, 2 for changes, 1 for any error.")
@click.option("--markdown", is_flag=True, help="A table for a pull request's comment or a job's summary.")
@json_option
def plan(
    *,
    choice: Choice,
    retry_failed: bool,
    against: str | None,
    exit_code: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Show what a run would do, and what it would cost. Nothing is written.

    The option --against REF compares the embeddings and indexes that are declared here with those of a git revision,
    of all pipelines or of the chosen one. It reads neither the store nor the media.
    """
    exclusive({"--json": as_json, "--markdown": markdown})
    if against is not None:
        exclusive({"--against": True, "--retry-failed": retry_failed})
        exclusive({"--all": choice.every, "--pipeline": choice.pipeline})
        changes, failed = _against(against, choice, as_json=as_json, markdown=markdown, exit_code=exit_code)
    else:
        changes, failed = _plans(choice, retry_failed=retry_failed, as_json=as_json, markdown=markdown)
    sys.exit(FAILED if failed else CHANGES if changes and exit_code else NOTHING)


def _plans(choice: Choice, *, retry_failed: bool, as_json: bool, markdown: bool) -> tuple[bool, bool]:
    from embeddings_orch.cli.output import bars, terminal
    from embeddings_orch.cli.output.markdown import plan_markdown

    pipelines = choose(choice)
    plans = []
    with bars.progress():
        for pipeline in pipelines:
            plans.append(_plan_one(pipeline, retry_failed=retry_failed, every=choice.every))
    for planned in plans:
        terminal.problems(planned.plan.problems if planned.plan else [])
    if as_json:
        objects = [planned.to_json() for planned in plans]
        print_json({"pipelines": objects} if choice.every else objects[0])
    elif markdown:
        click.echo(plan_markdown(plans))
    else:
        for number, planned in enumerate(planned for planned in plans if planned.plan):
            click.echo("\n" if number else "", nl=False)
            assert planned.plan is not None
            terminal.plan_table(planned.plan, priced=planned.priced)
    for planned in plans:
        if planned.error:
            say_error(planned.error, planned.pipeline)
    return any(planned.plan.changes for planned in plans if planned.plan), any(planned.error for planned in plans)


def _plan_one(pipeline: Any, *, retry_failed: bool, every: bool) -> Planned:
    from embeddings_orch.cli.output.markdown import Planned
    from embeddings_orch.pipeline.context import Pipeline
    from embeddings_orch.pipeline.plan.plan import make_plan

    try:
        spec = pipeline.load().spec
        priced = any(embedding.config.prices.known for embedding in spec.embeddings.values())
        return Planned(spec.name, make_plan(Pipeline(spec), retry_failed=retry_failed), priced=priced)
    except EmbeddingsOrchError as error:
        if not every:
            raise
        return Planned(pipeline.name or str(pipeline.file), None, error=str(error))


def _against(ref: str, choice: Choice, *, as_json: bool, markdown: bool, exit_code: bool) -> tuple[bool, bool]:
    from embeddings_orch.cli.commands.against import compare_with
    from embeddings_orch.cli.output import terminal
    from embeddings_orch.cli.output.markdown import against_markdown

    comparison = compare_with(ref, file=choice.file, pipeline=choice.pipeline)
    if as_json:
        print_json(comparison.to_json())
    elif markdown:
        click.echo(against_markdown(comparison))
    else:
        terminal.against_table(comparison)
    for difference in comparison.pipelines:
        if difference.error:
            say_error(difference.error, difference.pipeline)
    # What was wrong at the revision is told; only who asks for a true exit status is stopped by it.
    return comparison.changes, comparison.broken or (comparison.errors and exit_code)
