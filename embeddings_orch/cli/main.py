"""The commands; each does its own imports, so that ``--help`` and a typo answer at once."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from embeddings_orch import __version__
from embeddings_orch.cli.commands.deployments import deployments
from embeddings_orch.cli.commands.generations import failures, gc, generations, publish, rollback
from embeddings_orch.cli.commands.plan import plan
from embeddings_orch.cli.commands.run import run
from embeddings_orch.cli.commands.search import search
from embeddings_orch.cli.commands.serve import serve
from embeddings_orch.cli.common import CommandGroup, json_option, pipeline_options, print_json


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="embeddings-orch")
def main() -> None:
    """Keep embeddings true: plan, run and search pipelines of media, embeddings and indexes."""


main.add_command(plan)
main.add_command(run)
main.add_command(search)
main.add_command(serve)


@main.command(short_help="Show what is published, and what failed.")
@pipeline_options
@json_option
def status(chosen: Any, as_json: bool) -> None:
    """Show what is published, which generations there are, and which contents failed."""
    from embeddings_orch.cli.output import generations as generations_output
    from embeddings_orch.pipeline.context import Pipeline
    from embeddings_orch.pipeline.plan.status import make_status

    overview = make_status(Pipeline(chosen.spec))
    print_json(overview) if as_json else generations_output.status_table(overview)


@main.group(
    cls=CommandGroup,
    invoke_without_command=True,
    short_help="List the plugins, show one, and how to install the others.",
)
@json_option
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """List the plugins: what each is and reads, and the command that adds what is not installed."""
    if context.invoked_subcommand is not None:
        return
    from dataclasses import asdict

    from embeddings_orch.cli.commands import plugins as plugin_pages
    from embeddings_orch.cli.output import plugins as plugins_output

    rows = plugin_pages.rows()
    print_json({"plugins": [asdict(row) for row in rows]}) if as_json else plugins_output.rows(rows)


@plugins.command(short_help="Print a plugin's keys and an example.")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Print the keys of the plugin NAME, which of them change the vectors, and an example that validates."""
    from embeddings_orch.cli.commands import plugins as plugin_pages
    from embeddings_orch.cli.output import plugins as plugins_output

    for page in plugin_pages.pages(name):
        print_json(page.to_json()) if as_json else plugins_output.page(page)


@main.command(short_help="Print the JSON schema of defs.yaml, for an editor.")
def schema() -> None:
    """Print the JSON schema of defs.yaml, with the keys of all installed plugins."""
    from embeddings_orch.spec.schema import file_schema

    click.echo(json.dumps(file_schema(), indent=2))


@main.command(short_help="Try what a run needs, and say what is wrong.")
@pipeline_options
@json_option
def doctor(chosen: Any, as_json: bool) -> None:
    """Try what a run needs, and say what is wrong or would be faster.

    The store is written to and left as it was, the media are looked at for some seconds, and each model embeds a
    picture, a text and a query, as far as it reads them: one small call each, which a provider may charge for.
    """
    from embeddings_orch.cli.commands.doctor import examine
    from embeddings_orch.cli.output import terminal

    if as_json:
        diagnoses = list(examine(chosen))
        print_json({"pipeline": chosen.spec.name, "findings": [diagnosis.__dict__ for diagnosis in diagnoses]})
        well = all(diagnosis.ok for diagnosis in diagnoses)
    else:
        well = terminal.print_diagnoses(examine(chosen))
    sys.exit(0 if well else 1)


for _command in (generations, rollback, publish, gc, failures, deployments):
    main.add_command(_command)
