"""What a person sees of the status, generations, garbage and failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from rich.text import Text

from embeddings_orch.cli.output.counts import describe_items
from embeddings_orch.cli.output.terminal import passed_over, plain_console, plain_table, show_controls
from embeddings_orch.media.passed_over import PassedOver
from embeddings_orch.models.analysis import describe_full_text
from embeddings_orch.pipeline.garbage.collect import GcReport
from embeddings_orch.pipeline.garbage.listing import GcPlan
from embeddings_orch.pipeline.published.publish import PublishReport

_LISTED = 200


def status_table(overview: dict[str, Any]) -> None:
    """Published generations, and the others that are there."""
    console = plain_console()
    options = any(_has_options(index["generations"]) for index in overview["indexes"])
    full_text = ("full text",) if options else ()
    table = plain_table("index", "generation", "rows", "built", *full_text, "checks", "published", right=("rows",))
    for index in overview["indexes"]:
        if not index["generations"]:
            table.add_row(index["index"], "none yet")
        for generation in reversed(index["generations"]):
            here = generation["generation"] == index["published"]
            mark = ("yes, held" if index["held"] else "yes") if here else ""
            checks = {True: "passed", False: "failed", None: "not run"}[generation["passed"]]
            table.add_row(
                index["index"],
                generation["generation"],
                f"{generation['rows']:,}",
                generation["created_at"][:19],
                *([_full_text(generation)] if options else []),
                checks,
                mark,
            )
    console.print(table)
    _print_media(overview)
    _print_counts(overview)
    for row in overview["failed"]:
        text = show_controls(f"    {row['embedding']}: {row['uri']}: {row['reason']}")
        console.print(text, style="yellow", highlight=False, soft_wrap=True, markup=False)
    if overview["failures"] > len(overview["failed"]):
        more = f"    and {overview['failures'] - len(overview['failed']):,} more: embeddings-orch failures"
        console.print(more, style="yellow", highlight=False)


def _print_media(overview: dict[str, Any]) -> None:
    """What the last scan did not take in, if anything."""
    media = overview["media"]
    if media["left_out"]:
        plain_console().print(f"{overview['pipeline']}/raw_media: {media['left_out']:,} left out", highlight=False)
    for row in media["left_out_named"]:
        text = f"    {row['item']}: {row['reason']}"
        plain_console().print(text, style="yellow", highlight=False, soft_wrap=True, markup=False)
    rows = [PassedOver.from_data(kind).to_row() for kind in media["passed_over_kinds"]]
    passed_over(rows, f"{overview['pipeline']}/raw_media: ")


def _print_counts(overview: dict[str, Any]) -> None:
    """How many items have a vector of each embedding, and what the others are."""
    if not overview["embeddings"]:
        plain_console().print(f"{overview['pipeline']}: the media were not scanned yet", highlight=False)
    for counts in overview["embeddings"]:
        text = f"{overview['pipeline']}/embeddings/{counts['embedding']}: {describe_items(counts)}"
        plain_console().print(text, highlight=False, soft_wrap=True)


def generations_table(listed: dict[str, Any]) -> None:
    """The generations of an index, the newest first."""
    right = ("#", "rows", "recall")
    options = _has_options(listed["generations"])
    models_and_text = ("models", "full text") if options else ("models",)
    lacking = ("without vector",) if any(_without_vector(row) for row in listed["generations"]) else ()
    table = plain_table(
        "#",
        "generation",
        "built",
        "rows",
        *lacking,
        *models_and_text,
        "checks",
        "recall",
        "published",
        "gc",
        right=right,
    )
    for row in reversed(listed["generations"]):
        models = ", ".join(
            f"{column}: {row['providers'][column]} {print_[:8]}" for column, print_ in row["models"].items()
        )
        published = ("yes, held" if row["held"] else "yes") if row["published"] else ""
        table.add_row(
            str(row["number"]),
            Text(row["generation"], style="bold" if row["published"] else ""),
            row["created_at"][:19],
            f"{row['rows']:,}",
            *([_without_vector(row)] if lacking else []),
            Text(models),
            *([_full_text(row)] if options else []),
            _checks(row),
            "" if row["recall"] is None else f"{row['recall']:.3f}",
            published or ("before" if row["published_before"] else ""),
            {True: "kept", False: "goes", None: "unknown"}[row["kept"]],
        )
    console = plain_console()
    console.print(table if listed["generations"] else f"{listed['index']}: nothing was built yet")
    if listed["held"]:
        console.print(_release(listed["index"]), highlight=False, soft_wrap=True)


def _without_vector(row: dict[str, Any]) -> str:
    """The items without a vector of each embedding, empty where there is none."""
    return ", ".join(f"{name}: {count:,}" for name, count in row["without_vector"].items() if count)


def _has_options(generations: Sequence[dict[str, Any]]) -> bool:
    """Whether the full text of any is another than the default; where none is, it is not worth a column."""
    return any(generation["full_text_options"] for generation in generations)


def _full_text(generation: dict[str, Any]) -> Text:
    return Text(describe_full_text(generation["full_text"], generation["full_text_options"]))


def _checks(row: dict[str, Any]) -> str:
    failed = [name for name, passed in row["checks"].items() if not passed]
    if row["passed"] is None:
        return "not run"
    if not failed:
        return "passed"
    return f"{'passed, with a warning' if row['passed'] else 'failed'} ({', '.join(failed)})"


def _release(index: str) -> str:
    return f"{index} is held: runs do not publish it until: embeddings-orch publish {index}"


def print_move(index: str, report: PublishReport) -> None:
    """What a publish or a rollback did."""
    before = f" (before: {report.previous})" if report.changed and report.previous else ""
    as_before = "" if report.changed else ", as before"
    click.echo(f"{index}: generation {report.generation.id} is published{before}{as_before}")
    if report.message:
        click.echo(report.message)
    if report.held:
        click.echo(_release(index))


def gc_table(plan: GcPlan) -> None:
    """What would be removed, a line each."""
    right = ("rows", "versions", "bytes")
    table = plain_table("what", "name", "rows", "versions", "bytes", "why", right=right)
    for garbage in plan.garbage:
        size = "" if garbage.bytes is None else human(garbage.bytes)
        rows, versions = (f"{count:,}" if count else "" for count in (garbage.rows, garbage.versions))
        table.add_row(_KINDS[garbage.kind], Text(garbage.name), rows, versions, size, Text(garbage.why))
    if plan.garbage:
        plain_console().print(table)


_KINDS = {
    "pointer": "published pointer",
    "generation": "generation",
    "table": "table",
    "map": "map",
    "state": "embedding state",
    "failures": "failed contents",
    "vectors": "vectors",
    "versions": "old versions",
}


def gc_done(plan: GcPlan, report: GcReport | None) -> None:
    """What was removed, on standard error; None where nothing was to be."""
    if not plan.garbage:
        click.echo(f"{plan.pipeline}: there is nothing to remove", err=True)
    elif report is None:
        click.echo("nothing was removed; add --yes", err=True)
    else:
        freed = f", {human(report.bytes)} freed" if report.bytes else ""
        click.echo(f"{plan.pipeline}: {len(report.removed):,} removed{freed}", err=True)
        for garbage, reason in report.left:
            click.secho("left: ", fg="yellow", nl=False, err=True)
            click.echo(f"{_KINDS[garbage.kind]} {garbage.name}: {reason}", err=True)


def human(size: int) -> str:
    """Bytes with a unit: 1.5 MB."""
    amount, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:,.0f} {units[0]}" if units[0] == "B" else f"{amount:,.1f} {units[0]}"


def failures_table(found: dict[str, Any]) -> None:
    """The items that failed, a line each, and how to try them again."""
    console, failed = plain_console(), found["failed"]
    table = plain_table("embedding", "item", "kind", "when", "reason")
    for row in failed[:_LISTED]:
        item, reason = (Text(show_controls(text)) for text in (row["id"], row["reason"]))
        table.add_row(row["embedding"], item, row["kind"], row["at"][:19], reason)
    if failed:
        console.print(table)
    if len(failed) > _LISTED:
        console.print(f"and {len(failed) - _LISTED:,} more; --json lists them all", highlight=False)
    _print_counts(found)
    if any(row["kind"] == "item" for row in failed):
        console.print("a run skips those of kind item; to try them again: embeddings-orch run --retry-failed")
    if any(row["kind"] == "limit" for row in failed):
        console.print("those of kind limit are embedded once `media.max_bytes` allows it")
    if any(row["kind"] == "transient" for row in failed):
        console.print("the next run tries those of kind transient again")
