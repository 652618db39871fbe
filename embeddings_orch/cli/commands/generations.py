"""The commands around generations: list them, go back to one, publish, collect garbage, and show failures."""

from __future__ import annotations

import sys
from typing import Any

import click

from embeddings_orch.cli.common import has_dagster, json_option, pipeline_options, print_json


def choose_index(chosen: Any, index: str | None) -> str:
    """The index of a name, or the only one of a pipeline.

    Raises:
        click.UsageError: there is no such one, or several and no name.
    """
    from embeddings_orch.plugins import suggestion

    names: list[str] = list(chosen.spec.indexes)
    if index is None:
        if len(names) != 1:
            raise click.UsageError(f"choose an index: {', '.join(names) or 'the pipeline declares none'}")
        return names[0]
    if index not in names:
        raise click.UsageError(f"there is no index {index!r}{suggestion(index, names)}")
    return index


@click.command(short_help="List what was built of an index, and what can be gone back to.")
@click.argument("index", required=False)
@pipeline_options
@json_option
def generations(chosen: Any, index: str | None, as_json: bool) -> None:
    """List the generations of INDEX: its models, its checks, what is published, and what gc keeps."""
    from embeddings_orch.cli.output import generations as generations_output
    from embeddings_orch.pipeline.context import Pipeline
    from embeddings_orch.pipeline.plan.status import list_generations

    listed = list_generations(Pipeline(chosen.spec), choose_index(chosen, index))
    print_json(listed) if as_json else generations_output.generations_table(listed)


@click.command(short_help="Point search at an earlier generation, and hold it there.")
@click.argument("index", required=False)
@click.option("--to", help="A generation: its id, the beginning of it, or its number in the list.")
@pipeline_options
@json_option
def rollback(chosen: Any, index: str | None, to: str | None, as_json: bool) -> None:
    """Point the search of INDEX at what was published before, and hold it there.

    Runs go on to build and check new generations and do not publish them, until the index is published by hand or its
    declaration is edited.
    """
    from embeddings_orch.cli.output import generations as generations_output
    from embeddings_orch.pipeline.context import Pipeline
    from embeddings_orch.pipeline.published.rollback import rollback as roll_back

    index = choose_index(chosen, index)
    report = roll_back(Pipeline(chosen.spec), index, to)
    if has_dagster():
        from embeddings_orch.dagster.runs.events import report_publish

        report_publish(chosen, report)
    print_json(_report_move(chosen, index, report)) if as_json else generations_output.print_move(index, report)


@click.command(short_help="Publish the newest generation that passed, and end a hold.")
@click.argument("index", required=False)
@pipeline_options
@json_option
def publish(chosen: Any, index: str | None, as_json: bool) -> None:
    """Publish the newest generation of INDEX whose checks passed, and end a hold."""
    from embeddings_orch.cli.output import generations as generations_output
    from embeddings_orch.pipeline.context import Pipeline
    from embeddings_orch.pipeline.published.publish import release

    index = choose_index(chosen, index)
    report = release(Pipeline(chosen.spec), index)
    if has_dagster():
        from embeddings_orch.dagster.runs.events import report_publish

        report_publish(chosen, report)
    print_json(_report_move(chosen, index, report)) if as_json else generations_output.print_move(index, report)


def _report_move(chosen: Any, index: str, report: Any) -> dict[str, Any]:
    return {
        "pipeline": chosen.spec.name,
        "index": index,
        "generation": report.generation.id,
        "previous": report.previous,
        "moved": report.changed,
        "held": report.held,
        "message": report.message,
    }


@click.command(short_help="Show what nobody needs any more, and remove it.")
@click.option("--yes", is_flag=True, help="Remove it without asking.")
@click.option("--forget", metavar="PIPELINE", help="Remove all of a pipeline that is no longer declared, too.")
@pipeline_options
@json_option
def gc(chosen: Any, yes: bool, forget: str | None, as_json: bool) -> None:
    """Show what nobody needs any more, and remove it.

    It keeps what is published, the last generations of each index (keep_generations), what they need, and all that is
    younger than the store's gc_grace.
    """
    from embeddings_orch.cli.commands.garbage import needs_of, reload_pipeline
    from embeddings_orch.cli.output import generations as generations_output
    from embeddings_orch.pipeline.garbage.collect import GcReport, collect
    from embeddings_orch.pipeline.garbage.listing import make_gc, to_json

    needs = needs_of(chosen, forget)
    plan = make_gc(needs)
    if not as_json:
        generations_output.gc_table(plan)
    agreed = yes or (
        bool(plan.garbage) and not as_json and sys.stdin.isatty() and click.confirm("remove all this?", err=True)
    )
    report = GcReport()
    if agreed and plan.garbage:
        # What was declared may have changed while the list was looked at.
        report = collect(needs if yes else needs_of(reload_pipeline(chosen), forget), plan)
        if has_dagster():
            from embeddings_orch.dagster.runs.events import report_gc

            report_gc(chosen, report)
    if as_json:
        left = [{"kind": garbage.kind, "name": garbage.name, "reason": reason} for garbage, reason in report.left]
        print_json(
            {"pipeline": chosen.spec.name, "garbage": to_json(plan.garbage), "removed": to_json(report.removed),
             "left": left, "bytes": report.bytes, "kept": sorted(plan.kept)}
        )  # fmt: skip
    if not as_json or not agreed or report.left:
        generations_output.gc_done(plan, report if agreed else None)


@click.command(short_help="List the items that could not be embedded, with the reasons.")
@click.option("--embedding", help="Of one embedding only.")
@pipeline_options
@json_option
def failures(chosen: Any, embedding: str | None, as_json: bool) -> None:
    """List the items that could not be embedded, with the reasons: each item of a content that several share."""
    from embeddings_orch.cli.output import generations as generations_output
    from embeddings_orch.pipeline.context import Pipeline
    from embeddings_orch.pipeline.plan.status import make_failures
    from embeddings_orch.plugins import suggestion

    names = list(chosen.spec.embeddings)
    if embedding is not None and embedding not in names:
        raise click.UsageError(f"there is no embedding {embedding!r}{suggestion(embedding, names)}")
    found = make_failures(Pipeline(chosen.spec), embedding)
    print_json(found) if as_json else generations_output.failures_table(found)
