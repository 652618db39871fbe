"""What a person sees: tables and lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from embeddings_orch.cli.output.console import PlainConsole, PlainTable
from embeddings_orch.cli.output.counts import count_of_contents, count_of_items
from embeddings_orch.cli.output.screen import visible
from embeddings_orch.media.passed_over import describe_rows

if TYPE_CHECKING:
    from embeddings_orch.cli.commands.against import Comparison
    from embeddings_orch.cli.commands.doctor import Diagnosis
    from embeddings_orch.media.base import Problem
    from embeddings_orch.pipeline.plan.plan import Plan
    from embeddings_orch.pipeline.run.outcome import RunOutcome
    from embeddings_orch.search import Results

_PLAIN_WIDTH = 200
_BREAKS = {ord(sign): ascii(sign)[1:-1] for sign in "\n\t\u2028\u2029"}
_COUNTS = ("new", "changed", "unchanged", "deleted", "failed")


def plain_console() -> PlainConsole:
    """Standard output; without a terminal lines are not folded."""
    # rich would fold at 80 columns, which breaks a log.
    return PlainConsole(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)


def problems(problems: Sequence[Problem]) -> None:
    """Warn of rows and files that are left out, and of what is kept otherwise."""
    for problem in problems[:10]:
        click.secho("note: " if problem.kept else "left out: ", fg="yellow", nl=False, err=True)
        click.echo(f"{problem.where}: {problem.reason}", err=True)
    if len(problems) > 10:
        click.echo(f"and {len(problems) - 10:,} more", err=True)


def passed_over(rows: Sequence[Mapping[str, Any]], start: str = "") -> None:
    """Say which files a scan passed over, if any; ``rows`` as `PassedOver.to_row` makes them."""
    if told := describe_rows(rows):
        plain_console().print(f"{start}{told}", style="yellow", highlight=False, soft_wrap=True, markup=False)


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table without lines."""
    table = PlainTable(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    return table


def show_controls(text: str) -> str:
    """A text on one line: line breaks and other controls as Python writes them, which a terminal would obey."""
    return visible(text).translate(_BREAKS)


def plan_table(plan: Plan, *, priced: bool) -> None:
    """The plan, a line an asset, then what it would take; in tokens and dollars where a model has a price."""
    table = plain_table("asset", "of", *_COUNTS, "reason", right=_COUNTS)
    for asset in plan.assets:
        counts = [f"{getattr(asset, name):,}" for name in _COUNTS]
        name = Text(asset.asset, style="bold" if asset.changes else "dim")
        table.add_row(name, asset.unit, *counts, Text(asset.reason))
    console = plain_console()
    console.print(table)
    passed_over([kind.to_row() for kind in plan.passed_over], f"{plan.pipeline}: ")
    media = plan.assets[0]
    if not media.new + media.changed + media.unchanged:
        console.print(f"{plan.pipeline}: there are no media yet")
        return
    if not plan.changes:
        console.print(f"{plan.pipeline}: nothing to do")
        return
    estimates = [asset.estimate for asset in plan.assets if asset.estimate.contents]
    items = sum(estimate.contents for estimate in estimates)
    cost = ""
    if priced:
        tokens = sum(estimate.tokens for estimate in estimates)
        cost = f", {tokens:,} tokens, ${sum(estimate.cost_usd for estimate in estimates):,.4f}"
    seconds = [estimate.seconds for estimate in estimates]
    time = "time unknown until the first run" if None in seconds else f"about {sum(s or 0 for s in seconds):,.0f} s"
    text = f"{plan.pipeline}: {count_of_contents(items)} to embed{cost}" + (f"; {time}" if items else "")
    console.print(text, highlight=False)
    for warning in plan.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False)


def against_table(comparison: Comparison) -> None:
    """How the embeddings and indexes differ from a revision's, a line each."""
    from embeddings_orch.cli.output.markdown import versions

    table = plain_table("asset", "change", "fingerprint", "reason")
    for asset in (asset for difference in comparison.pipelines for asset in difference.assets):
        style = "dim" if asset.change == "unchanged" else "bold"
        fingerprints = " -> ".join(versions(asset.fingerprint_before, asset.fingerprint))
        table.add_row(Text(asset.asset, style=style), asset.change, fingerprints, Text(asset.reason))
    console = plain_console()
    if table.row_count:
        console.print(table)
    count = sum(asset.change != "unchanged" for difference in comparison.pipelines for asset in difference.assets)
    what = f"{count:,} of {table.row_count:,} embeddings and indexes differ" if count else "nothing differs"
    console.print(f"{what} from {comparison.against} ({comparison.commit[:10]})", highlight=False, markup=False)


def run_table(outcome: RunOutcome) -> None:
    """What a run did, a line an asset, and the items that failed."""
    console = plain_console()
    for asset in outcome.assets:
        if "generation" in asset and "moved" in asset:
            why = asset.get("not_moved_because", "as before")
            text = f"generation {asset['generation']} is published" + ("" if asset["moved"] else f", {why}")
        else:
            counted = ", ".join(f"{asset.get(name, 0):,} {name}" for name in _COUNTS)
            text = f"{counted} ({asset['unit']})" if "unit" in asset else counted
            if "embedded" in asset:
                speed = asset.get("items_per_second") or 0
                rate = f" at {speed:,.{0 if speed >= 10 else 1}f}/s" if asset["embedded"] else ""
                text += f"; embedded {asset['embedded']:,}{rate}"
            if lacking := asset.get("items_without_vector"):
                text += f"; {count_of_items(lacking)} without a vector"
        console.print(f"{asset['asset']}: {text}", highlight=False, soft_wrap=True)
        if kept := asset.get("kept_because"):
            console.print(f"    {kept}", style="yellow", highlight=False, soft_wrap=True, markup=False)
        passed_over(asset.get("passed_over_kinds", []), "    ")
        named = [*asset.get("kept_otherwise", []), *asset.get("left_out", []), *asset.get("failures", [])]
        for row in named[:10]:
            console.print(
                f"    {row['item']}: {row['reason']}",
                style="yellow",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )
    state = {True: "done", False: "failed", None: "started"}[outcome.success]
    page = f", {outcome.url}" if outcome.url else ""
    console.print(f"{outcome.pipeline}: {state} (run {outcome.run_id}{page})", highlight=False, soft_wrap=True)


def warnings(outcome: RunOutcome) -> None:
    """Asset checks that failed, on standard error; those that block are the reason of a failed run."""
    for check in outcome.checks:
        if not check["passed"]:
            blocks = check["severity"] == "ERROR"
            click.secho("error: " if blocks else "warning: ", fg="red" if blocks else "yellow", nl=False, err=True)
            click.echo(f"{check['asset']} {check['check']}: {check['description']}", err=True)


def hits_table(results: Results, limit: int | None = None) -> None:
    """The hits of a search, or the first few of them."""
    table = plain_table("#", "score", "id", "caption", right=("#", "score"))
    # Ranks that are fused make small scores, of which the first digits are the same.
    digits = 4 if results.hits and abs(results.hits[0].score) < 0.1 else 3
    for place, hit in enumerate(results.hits[:limit], 1):
        caption = hit.metadata.get("caption") or hit.metadata.get("text") or ""
        words = Text(show_controls(" ".join(str(caption)[:80].split())))
        table.add_row(str(place), f"{hit.score:.{digits}f}", Text(show_controls(hit.id)), words)
    console = plain_console()
    console.print(table if results.hits else "no hits")
    console.print(f"{results.index}, generation {results.generation}", style="dim", highlight=False)


def print_diagnoses(diagnoses: Iterable[Diagnosis]) -> bool:
    """Print what doctor finds, a line each as it comes; returns whether all is well."""
    well = True
    for diagnosis in diagnoses:
        well = well and diagnosis.ok
        click.secho("ok    " if diagnosis.ok else "wrong ", fg="green" if diagnosis.ok else "red", bold=True, nl=False)
        click.echo(f"{diagnosis.what}: {diagnosis.detail}")
        for advice in diagnosis.advice:
            click.echo(f"      advice: {advice}")
    return well
