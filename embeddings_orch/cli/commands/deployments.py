"""The commands around deployments: list those that share a store, and drop one that is gone."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from embeddings_orch.cli.common import CommandGroup, json_option, pipeline_options, print_json


@click.group(cls=CommandGroup, short_help="List the deployments that share a store, and drop one that is gone.")
def deployments() -> None:
    """List the deployments that share a store, and drop one that is gone."""


@deployments.command("list", short_help="List what each deployment has.")
@pipeline_options
@json_option
def list_(chosen: Any, as_json: bool) -> None:
    """List the deployments of the store: their pipelines, what they publish, and when they last did something."""
    from embeddings_orch.cli.output.deployments import deployments_table
    from embeddings_orch.pipeline.garbage.deployments import list_deployments
    from embeddings_orch.spec.deployment import open_store

    listed = list_deployments(open_store(chosen.spec.store))
    if as_json:
        print_json({"store": chosen.spec.store.uri, "deployments": [deployment.to_json() for deployment in listed]})
    else:
        deployments_table(listed)


@deployments.command(short_help="Forget all that is one deployment's own.")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Drop it without asking.")
@pipeline_options
@json_option
def drop(name: str, yes: bool, chosen: Any, as_json: bool) -> None:
    """Forget all that is the deployment NAME's own: catalogs, states, pointers and their log.

    Vectors and index tables are shared; gc removes those that no other deployment needs.
    """
    from embeddings_orch.pipeline.garbage.deployments import drop_deployment
    from embeddings_orch.spec.deployment import open_store

    store = open_store(chosen.spec.store)
    question = f"drop the deployment {name} of {store.uri}?"
    agreed = yes or (not as_json and sys.stdin.isatty() and click.confirm(question, err=True))
    dropped = drop_deployment(store, name) if agreed else None
    if as_json:
        print_json({"dropped": None if dropped is None else asdict(dropped)})
    if dropped is None:
        click.echo("nothing was dropped; add --yes", err=True)
    elif not as_json:
        counts = f"tables: {len(dropped.tables):,}, generations: {len(dropped.generations):,}"
        click.echo(f"{name} is dropped ({counts}); to remove what nobody else needs: embeddings-orch gc", err=True)
