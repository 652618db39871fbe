"""The command ``search``."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from embeddings_orch.cli.common import FILE, F, json_option, pipeline_options, print_json
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.media.scan import root_of

if TYPE_CHECKING:
    from embeddings_orch.search import Index, Results


@dataclass(frozen=True)
class _Query:
    """What is searched for: one of a text, a picture and an item, or keywords, alone or beside it."""

    text: str | None
    image: Path | None
    like: str | None
    keyword: str | None

    @property
    def label(self) -> str:
        """The query as the contact sheet shows it."""
        item = f"like {self.like}" if self.like is not None else ""
        return " ".join(str(part) for part in (self.image or item, self.text or self.keyword) if part)


def _query_options(command: F) -> F:
    @click.argument("text", required=False)
    @click.option("--image", type=FILE, help="Search by a picture.")
    @click.option("--like", metavar="ID", help="Search for what is like an item of the index.")
    @click.option("--keyword", "-k", metavar="WORDS", help="Search the full text: alone, or beside another query.")
    @wraps(command)
    def wrapper(*, text: str | None, image: Path | None, like: str | None, keyword: str | None, **options: Any) -> Any:
        return command(query=_Query(text, image, like, keyword), **options)

    return cast(F, wrapper)


def _weights(_: click.Context, __: click.Parameter, pairs: tuple[str, ...]) -> dict[str, float] | None:
    weights: dict[str, float] = {}
    for pair in pairs:
        name, _sign, number = pair.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError as error:
            raise click.BadParameter(f"{pair!r} is not NAME=NUMBER, as in clip=0.7") from error
    return weights or None


@click.command(short_help="Search a published index by text, by a picture or by keywords.")
@_query_options
@click.option("--hybrid", is_flag=True, help="Search the full text for TEXT as well.")
@click.option(
    "--alpha", type=click.FloatRange(0, 1), help="Hybrid, with this share for the vectors: 0 keywords, 1 vectors."
)
@click.option(
    "--weight", "weights", metavar="NAME=W", multiple=True, callback=_weights, help="An embedding and its share."
)
@click.option("--index", "-i", help="The index, where the pipeline has several.")
@click.option("--where", "-w", help="An SQL filter over the columns: \"caption LIKE '%dog%'\".")
@click.option("--limit", "-n", default=10, show_default=True, type=click.IntRange(1, 10_000), help="The most hits.")
@click.option("--offset", default=0, type=click.IntRange(0, 100_000), help="Hits to leave out first.")
@click.option("--embedding", "column", help="The embedding to search, where the index has several.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Draw the hits into this PNG.")
@click.option("--open", "opens", is_flag=True, help="Draw the hits into a PNG, and open it.")
@pipeline_options
@json_option
def search(
    *,
    chosen: Any,
    query: _Query,
    index: str | None,
    column: str | None,
    sheet: Path | None,
    opens: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Search a published index by TEXT, by a picture, by keywords, or for what is like an item."""
    from embeddings_orch.cli.output import terminal

    queries = [part for part in (query.text, query.image, query.like) if part is not None]
    if len(queries) > 1 or not (queries or query.keyword is not None):
        raise click.UsageError("give a text to search for, or a picture with --image, --like ID, or --keyword")
    if (options["hybrid"] or options["alpha"] is not None) and query.text is None and query.keyword is None:
        raise click.UsageError("a hybrid search needs words: a text, or --keyword beside the other query")
    opened = _open_index(chosen, index)
    _check_names(opened, column, options["weights"])
    results = opened.search(
        query.text, image=query.image, id=query.like, keyword=query.keyword, column=column, **options
    )
    print_json(results.to_json(), own_data=True) if as_json else terminal.hits_table(results)
    if sheet is not None or opens:
        path = _draw(chosen, results, query, sheet)
        click.echo(f"contact sheet: {path.absolute()}", err=as_json)
        if opens and not open_on_desktop(path.absolute().as_uri()):
            click.echo("there is no display to open it on", err=True)


def _open_index(chosen: Any, index: str | None) -> Index:
    from embeddings_orch.plugins import suggestion
    from embeddings_orch.search import Index
    from embeddings_orch.spec.deployment import open_store

    names = list(chosen.spec.indexes)
    if index is None and len(names) != 1:
        raise click.UsageError(f"choose an index with --index: {', '.join(names) or 'the pipeline declares none'}")
    if index is not None and index not in names:
        raise click.UsageError(f"there is no index {index!r}{suggestion(index, names)}")
    configs = [spec.config for spec in chosen.spec.embeddings.values()]
    root = root_of(chosen.spec.media.config)
    return Index(open_store(chosen.spec.store), chosen.spec.name, index or names[0], configs, root=root)


def _check_names(opened: Index, column: str | None, weights: dict[str, float] | None) -> None:
    from embeddings_orch.plugins import suggestion

    if column is not None and weights is not None:
        raise click.UsageError("--embedding and --weight exclude each other; give one of them")
    named = [column] if column is not None else list(weights or {})
    columns = [model.column for model in opened.generation().models] if named else []
    for name in named:
        if name not in columns:
            raise click.UsageError(f"index {opened.name!r} has no embedding {name!r}{suggestion(name, columns)}")


def _draw(chosen: Any, results: Results, query: _Query, sheet: Path | None) -> Path:
    from embeddings_orch.media.scan import source_for
    from embeddings_orch.search.contact_sheet import Strip, contact_sheet

    path = sheet or Path(tempfile.mkdtemp(prefix="embeddings-orch-")) / f"{results.index}.png"
    strip = Strip(query.label, results, query.image.read_bytes() if query.image is not None else None)
    try:
        return contact_sheet([strip], source_for(chosen.spec.media.config).read, path)
    except (OSError, ValueError) as error:  # Pillow's for a file type that it does not know
        raise EmbeddingsOrchError(f"the sheet {path} cannot be written: {error}") from error


def open_on_desktop(uri: str) -> bool:
    """Open a URI as the desktop does; False where there is no desktop."""
    import webbrowser

    displays = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    # Else a browser for terminals could take this one over.
    if sys.platform not in ("darwin", "win32") and not any(os.environ.get(name) for name in displays):
        return False
    return webbrowser.open(uri)
