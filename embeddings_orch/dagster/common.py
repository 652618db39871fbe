"""What assets and checks share: keys, progress lines, errors and metadata."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pyarrow as pa

from embeddings_orch.errors import EmbeddingsOrchError, another_run_may_succeed
from embeddings_orch.pipeline.progress import Progress
from embeddings_orch.spec.keys import AssetKey

RETRYABLE = "another_run_may_succeed"
"""Metadata of a step failure: whether a sensor should try again by itself."""


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


def progress_lines(context: dg.AssetExecutionContext) -> Callable[[Progress], None]:
    """A listener that writes progress to the run's log."""
    return lambda progress: context.log.info(str(progress))


def column_schema(schema: pa.Schema) -> dict[str, dg.MetadataValue[Any]]:
    """The metadata that Dagster's UI shows as the table's columns."""
    columns = [
        dg.TableColumn(field.name, str(field.type), constraints=dg.TableColumnConstraints(nullable=field.nullable))
        for field in schema
        if not field.name.startswith("_")
    ]
    return {"dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns))}


def picture(data: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A picture as metadata that the UI renders."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return dg.MetadataValue.md(f"![{title}](data:image/{kind};base64,{base64.b64encode(data).decode()})")


def make_table(rows: list[tuple[str, str]], total: int) -> dg.TableMetadataValue:
    """A table of items and reasons; says how many more there are."""
    records = [dg.TableRecord({"item": item, "reason": reason}) for item, reason in rows]
    if total > len(rows):
        records.append(dg.TableRecord({"item": f"and {total - len(rows):,} more", "reason": ""}))
    schema = dg.TableSchema([dg.TableColumn("item", "string"), dg.TableColumn("reason", "string")])
    return dg.MetadataValue.table(records, schema)
