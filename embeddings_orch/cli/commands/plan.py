"""The command ``plan``: what a run would do, or what a change of the declaration changes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embeddings_orch.cli.common import choice_options, choose, exclusive, json_option, print_json, say_error
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
    file: Path | None,
    pipeline: str | None,
    every: bool,
    retry_failed: bool,
    against: str | None,
    exit_code: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Show what a run would do, and what it would cost. Nothing is written.

    Against a git revision (--against REF) the embeddings and indexes that are declared here are compared with those
    of that revision, of all pipelines or of the chosen one. Neither the store nor the media are looked at.
    """
    exclusive({"--json": as_json, "--markdown": markdown})
    if against is not None:
        exclusive({"--against": True, "--retry-failed": retry_failed})
        exclusive({"--all": every, "--pipeline": pipeline})
        changes, failed = _against(against, file, pipeline, as_json, markdown, exit_code)
    else:
        changes, failed = _plans(choose(file, pipeline, every), every, retry_failed, as_json, markdown)
    sys.exit(FAILED if failed else CHANGES if changes and exit_code else NOTHING)


def _plans(found: Any, every: bool, retry_failed: bool, as_json: bool, markdown: bool) -> tuple[bool, bool]:
    from embeddings_orch.cli.output import tables as output
    from embeddings_orch.cli.output.markdown import plan_markdown

    made = []
    with output.progress():
        for one in found:
            made.append(_plan_all(one, retry_failed, every))
    for planned in made:
        output.problems(planned.plan.problems if planned.plan else [])
    if as_json:
        objects = [one.to_json() for one in made]
        print_json({"pipelines": objects} if every else objects[0])
    elif markdown:
        click.echo(plan_markdown(made))
    else:
        for number, planned in enumerate(one for one in made if one.plan):
            click.echo("\n" if number else "", nl=False)
            assert planned.plan is not None
            output.plan_table(planned.plan, priced=planned.priced)
    for planned in made:
        if planned.error:
            say_error(planned.error, planned.pipeline)
    return any(one.plan.changes for one in made if one.plan), any(one.error for one in made)


def _plan_all(found: Any, retry_failed: bool, every: bool) -> Planned:
    from embeddings_orch.cli.output.markdown import Planned
    from embeddings_orch.pipeline.context import Pipeline
    from embeddings_orch.pipeline.plan.plan import make_plan

    try:
        spec = found.load().spec
        priced = any(embedding.config.prices.known for embedding in spec.embeddings.values())
        return Planned(spec.name, make_plan(Pipeline(spec), retry_failed=retry_failed), priced=priced)
    except EmbeddingsOrchError as error:
        if not every:
            raise
        return Planned(found.name or str(found.file), None, error=str(error))


def _against(
    ref: str, file: Path | None, pipeline: str | None, as_json: bool, markdown: bool, exit_code: bool
) -> tuple[bool, bool]:
    from embeddings_orch.cli.commands.against import compare_with
    from embeddings_orch.cli.output import tables as output
    from embeddings_orch.cli.output.markdown import against_markdown

    made = compare_with(ref, file=file, pipeline=pipeline)
    if as_json:
        print_json(made.to_json())
    elif markdown:
        click.echo(against_markdown(made))
    else:
        output.against_table(made)
    for one in made.pipelines:
        if one.error:
            say_error(one.error, one.pipeline)
    # What was wrong at the revision is told; only who asks for a true exit status is stopped by it.
    return made.changes, made.broken or (made.errors and exit_code)
