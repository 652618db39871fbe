"""What assets and checks share: keys, the log, errors and metadata."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pyarrow as pa

from embeddings_orch.errors import EmbeddingsOrchError, another_run_may_succeed
from embeddings_orch.models.rows.notes import is_data
from embeddings_orch.pipeline.events import EventListener, Progress, RunEvent, StepWarning
from embeddings_orch.pipeline.values import MarkdownValue, PictureValue, SchemaValue, TableValue, Value
from embeddings_orch.spec.keys import AssetKey

RETRYABLE = "another_run_may_succeed"
"""Metadata of a step failure: whether a sensor should try again by itself."""

INTERRUPTIONS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)
"""What a step is ended with by Ctrl-C, a signal, or the UI."""


def asset_key(key: AssetKey) -> dg.AssetKey:
    """Dagster's key of an asset."""
    return dg.AssetKey(key.path)


def asset_text(key: dg.AssetKey) -> str:
    """A key of Dagster's as the steps write it, also where it is not ours."""
    return "/".join(key.path)


@contextmanager
def fail_with_reason() -> Iterator[None]:
    """Turn our errors into a step failure that shows the reason and is not retried."""
    try:
        yield
    except EmbeddingsOrchError as error:
        raise dg.Failure(
            description=str(error), metadata={RETRYABLE: another_run_may_succeed(error)}, allow_retries=False
        ) from error


def log_to(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> EventListener:
    """A listener that writes progress and warnings to the run's log."""

    def listener(event: RunEvent) -> None:
        match event:
            case Progress():
                context.log.info(str(event))
            case StepWarning(message=message):
                context.log.warning(message)

    return listener


def show_metadata(metadata: Mapping[str, Value], names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a step says of its work as Dagster's UI shows it; pictures and reports are made now.

    Args:
        metadata: what it says.
        names: what Dagster calls some of it.
    """
    names = names or {}
    shown = ((names.get(name, name), _show(value)) for name, value in metadata.items())
    return {name: value for name, value in shown if value is not None}


def _show(value: Value) -> Any:
    match value:
        case TableValue(columns=columns, rows=rows):
            table_schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])
            return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows], table_schema)
        case SchemaValue(schema=schema):
            return dg.MetadataValue.table_schema(_table_schema(schema))
        case PictureValue(title=title, draw=draw):
            return None if (data := draw()) is None else _picture(data, title)
        case MarkdownValue(write=write):
            return dg.MetadataValue.md(write())
    return value


def _table_schema(schema: pa.Schema) -> dg.TableSchema:
    columns = [
        dg.TableColumn(field.name, str(field.type), constraints=dg.TableColumnConstraints(nullable=field.nullable))
        for field in schema
        if is_data(field.name)
    ]
    return dg.TableSchema(columns)


def _picture(data: bytes, title: str) -> dg.MarkdownMetadataValue:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return dg.MetadataValue.md(f"![{title}](data:image/{kind};base64,{base64.b64encode(data).decode()})")
