"""The raw_media step: list the media, write the catalog where it changed."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from embeddings_orch.errors import SourceError
from embeddings_orch.media.catalog import catalog_digest, diff
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.progress import Listener, Meter
from embeddings_orch.source import STAT_COLUMN, Problem


@dataclass(frozen=True)
class ScanReport:
    """What a scan found, against the stored catalog.

    Attributes:
        digest: order-independent hash over all rows; the asset's data version.
        problems: rows and files that are not in the catalog, with reasons.
        ignored: files of no known modality.
    """

    asset: str
    new: int
    changed: int
    unchanged: int
    deleted: int
    problems: list[Problem]
    ignored: int
    digest: str
    table: pa.Table
    seconds: float

    @property
    def writes(self) -> bool:
        """Whether the catalog differs from the stored one."""
        return bool(self.new or self.changed or self.deleted)


def scan_media(pipeline: Pipeline, *, write: bool = True, listener: Listener | None = None) -> ScanReport:
    """List the media and make the stored catalog hold exactly them.

    Args:
        pipeline: whose media.
        write: False for a dry run.
        listener: told of progress.

    Raises:
        SourceError: the source cannot be read, or lists nothing where there were items; the stored catalog stays.
        StoreError: the store cannot be used.
    """
    stored = pipeline.store.catalog(pipeline.spec.name)
    previous = stored.read()
    meter = Meter(pipeline.media_key, "items", listener=listener)
    scan = pipeline.source.scan(previous, meter.to)
    if previous is not None and previous.num_rows and not scan.table.num_rows:
        raise SourceError(
            f"{pipeline.media_key}: the {pipeline.spec.media.source} source lists nothing, where the catalog has "
            f"{previous.num_rows:,} items: is a drive not mounted, or a pattern wrong? Nothing was changed"
        )
    difference = diff(previous, scan.table)
    schema_changed = previous is not None and not previous.schema.equals(scan.table.schema)
    touched = _touched(previous, scan.table)
    if write and (previous is None or schema_changed or touched or difference):
        stored.write(scan.table, [*difference.new, *difference.changed, *touched], list(difference.deleted))
    meter.to(scan.table.num_rows)
    return ScanReport(
        asset=pipeline.media_key,
        new=len(difference.new),
        changed=len(difference.changed),
        unchanged=difference.unchanged,
        deleted=len(difference.deleted),
        problems=scan.problems,
        ignored=scan.ignored,
        digest=catalog_digest(scan.table),
        table=scan.table,
        seconds=meter.seconds,
    )


def _touched(previous: pa.Table | None, now: pa.Table) -> list[str]:
    """Ids of files with another stat and the same content: were it not kept, each scan would hash them again."""
    if previous is None:
        return []
    before = dict(zip(previous["id"].to_pylist(), previous[STAT_COLUMN].to_pylist(), strict=True))
    pairs = zip(now["id"].to_pylist(), now[STAT_COLUMN].to_pylist(), strict=True)
    return [item for item, stat in pairs if stat and before.get(item) and before[item] != stat]
