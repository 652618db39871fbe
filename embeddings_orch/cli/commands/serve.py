"""The command ``serve``."""

from __future__ import annotations

import ipaddress
import os
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embeddings_orch.cli.common import FILE
from embeddings_orch.errors import EmbeddingsOrchError, SpecError

if TYPE_CHECKING:
    from embeddings_orch.server.settings import ServeSettings
    from embeddings_orch.server.shared.served import Served
    from embeddings_orch.spec.project import Declared

_NEEDS = ("fastapi", "prometheus_client", "uvicorn")
_MIB = 2**20


@click.command(short_help="Serve search over HTTP: a page, an API, and the routes of other CLIP servers.")
@click.option("--file", "-f", type=FILE, help="A pipeline's YAML, in any folder.")
@click.option("--pipeline", "-p", help="One pipeline; default all of the project.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65_535), help="The port; 0 for any that is free."
)
@click.option(
    "--api-key-env", metavar="NAME", help="The environment variable that holds the API key clients must send."
)
@click.option("--no-key", is_flag=True, help="Listen beyond this machine without an API key.")
@click.option(
    "--model", metavar="COLUMN", help="The embedding for the routes of CLIP servers: COLUMN or PIPELINE/COLUMN."
)
@click.option("--allow-urls", is_flag=True, help="Let pictures be http(s) URLs; never of private addresses.")
@click.option("--allowed-host", "allowed_hosts", metavar="NAME", multiple=True, help="A name that clients call it by.")
@click.option(
    "--max-body", default=20, show_default=True, type=click.IntRange(1, 1024), help="MiB that a request may have."
)
@click.option(
    "--connections",
    default=500,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Connections it may have open.",
)
@click.option(
    "--peer-connections",
    type=click.IntRange(1, 10_000),
    help="Of these, those of one address; default half of them. Behind a proxy, give all.",
)
@click.option(
    "--load/--no-load", default=True, help="Load the models at once, or with the first query; default at once."
)
@click.option(
    "--grace",
    "graceful",
    default=5,
    show_default=True,
    type=click.IntRange(0, 600),
    help="Seconds that open requests have to end when the server stops.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
def serve(
    *, file: Path | None, pipeline: str | None, api_key_env: str | None, no_key: bool, opens: bool, **options: Any
) -> None:
    """Serve the published indexes over HTTP until it is stopped.

    A new publish is served by the next query. Without --api-key-env anybody who reaches the port may search.
    """
    _check_installed()
    _check_key(options["host"], api_key_env, no_key)
    from embeddings_orch.server.app import create_app
    from embeddings_orch.server.running import address, bind, run
    from embeddings_orch.server.settings import ServeSettings
    from embeddings_orch.server.shared.served import Served

    options["peer_connections"] = options["peer_connections"] or max(1, options["connections"] // 2)
    settings = ServeSettings(api_key_env=api_key_env, **{**options, "max_body": options["max_body"] * _MIB})
    served = Served.of(_load_pipelines(file, pipeline), settings.batch_wait)
    _check_model(served, settings.model)
    app = create_app(served, settings)
    listening = bind(settings)
    _log()
    _tell(served, settings, address(listening))
    if opens:
        from embeddings_orch.cli.commands.search import open_on_desktop

        if not open_on_desktop(address(listening)):
            click.echo("there is no display to open it on", err=True)
    run(app, listening)
    click.echo("stopped", err=True)
    _leave()


def _check_installed() -> None:
    if missing := [name for name in _NEEDS if find_spec(name) is None]:
        raise EmbeddingsOrchError(
            f"the server needs {', '.join(missing)}; add what it needs with: pip install 'embeddings-orch[serve]'"
        )


def _check_key(host: str, api_key_env: str | None, no_key: bool) -> None:
    if api_key_env is not None:
        from pydantic import TypeAdapter, ValidationError

        from embeddings_orch.policy.secrets import SecretName

        try:
            TypeAdapter(SecretName).validate_python(api_key_env)
        except ValidationError as error:
            # Without the value, which may be the key itself.
            raise click.BadParameter(error.errors()[0]["msg"], param_hint="--api-key-env") from None
        if no_key:
            raise click.UsageError("--api-key-env and --no-key exclude each other; give one of them")
    elif not no_key and not _loopback(host):
        raise click.UsageError(
            f"--host {host} is reached from other machines: give an API key with --api-key-env NAME, "
            "or let everybody search with --no-key"
        )


def _check_model(served: Served, name: str | None) -> None:
    from embeddings_orch.server.gate.problems import HttpProblem
    from embeddings_orch.server.shared.embedding import config_of

    if name is not None:
        try:
            config_of(served, name)
        except HttpProblem as error:
            raise click.BadParameter(str(error), param_hint="--model") from None


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _load_pipelines(file: Path | None, pipeline: str | None) -> list[Declared]:
    """Load the pipelines; of several, leave out one that is broken, and say so."""
    from embeddings_orch.cli.common import say_error
    from embeddings_orch.spec.project import find, select

    pipelines = find(file=file)
    if pipeline is not None:
        try:
            return [select(pipelines, pipeline).load()]
        except SpecError as error:
            raise click.UsageError(str(error)) from error
    if len(pipelines) == 1:
        return [pipelines[0].load()]
    declared = []
    for declaration in pipelines:
        try:
            declared.append(declaration.load())
        except EmbeddingsOrchError as error:
            say_error(str(error), declaration.name or str(declaration.file))
    if not declared:
        raise SpecError("none of the pipelines can be read")
    return declared


def _tell(served: Served, settings: ServeSettings, url: str) -> None:
    """What is served and where, a line an index."""
    from rich.text import Text

    from embeddings_orch.cli.output.terminal import plain_console, plain_table
    from embeddings_orch.server.shared.listing import IndexListing

    console = plain_console()
    table = plain_table("index", "rows", "generation", "models", right=("rows",))
    unpublished = []
    for index, entry in zip(served.indexes, IndexListing(served).indexes(), strict=True):
        if entry["error"]:
            table.add_row(Text(index.key, style="red"), "", Text(entry["error"], style="red"), "")
        elif entry["published"] is None:
            table.add_row(Text(index.key, style="dim"), "", Text("not published", style="dim"), "")
            unpublished.append(index)
        else:
            models = ", ".join(model["column"] for model in entry["models"])
            table.add_row(Text(index.key, style="bold"), f"{entry['rows']:,}", entry["published"], Text(models))
    console.print(table)
    for index in unpublished:
        console.print(f"{index.key} is not published yet: {index.publish_command}", style="yellow", highlight=False)
    console.print(f"serving on {url} (the API: {url}/docs)", highlight=False, soft_wrap=True)
    if settings.api_key_env is None and not _loopback(settings.host):
        console.print("warning: there is no API key; whoever reaches the port may search", style="yellow")


def _leave() -> None:
    """End the process, although a model may still be asked by a request that was given up."""
    sys.stdout.flush()
    sys.stderr.flush()
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        os._exit(0)


def _log() -> None:
    """A line for each request on standard error, and what goes wrong."""
    import logging

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("embeddings_orch.access", "embeddings_orch.serve", "uvicorn"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if name == "embeddings_orch.access" else logging.WARNING)
        logger.propagate = False
