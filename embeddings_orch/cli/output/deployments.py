"""Deployments on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from embeddings_orch.cli.output.terminal import plain_console, plain_table
from embeddings_orch.pipeline.garbage.deployments import Deployment


def deployments_table(deployments: Sequence[Deployment]) -> None:
    """A line for each deployment; this process' own is bold."""
    right = ("items", "generations")
    table = plain_table("deployment", "pipelines", "items", "generations", "published", "last activity", right=right)
    for deployment in deployments:
        at = deployment.last_activity
        table.add_row(
            Text(deployment.name, style="bold" if deployment.current else ""),
            Text("\n".join(deployment.pipelines)),
            f"{sum(deployment.catalogs.values()):,}",
            f"{deployment.generations:,}",
            Text("\n".join(f"{index}: {generation}" for index, generation in deployment.published.items())),
            f"{at:%Y-%m-%d %H:%M}" if at else "",
        )
    plain_console().print(table if deployments else "the store has no deployments yet")
