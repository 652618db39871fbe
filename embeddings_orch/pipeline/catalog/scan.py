"""The raw_media step: list the media, write the catalog where it changed."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import SourceError, StoreError
from embeddings_orch.media.base import STAT_COLUMN, Problem, Scan
from embeddings_orch.media.catalog.diff import CatalogDiff, catalog_digest, diff
from embeddings_orch.pipeline.claims import alone
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.events import EventListener
from embeddings_orch.pipeline.progress import Meter
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.store.tables.catalog import CatalogTable

_TRIES = 10
"""Scans that may find, one after another, that another run wrote the catalog meanwhile."""


@dataclass(frozen=True)
class ScanReport:
    """What a scan found, against the stored catalog.

    Attributes:
        digest: order-independent hash over all rows; the asset's data version.
        problems: rows and files that are not in the catalog, with reasons.
        ignored: files of no known modality, and sounds that no pattern names.
    """

    asset: AssetKey
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


def scan_media(pipeline: Pipeline, *, write: bool = True, listener: EventListener | None = None) -> ScanReport:
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
    meter = Meter(pipeline.media_key, "items", listener=listener)
    for _ in range(_TRIES):
        version = stored.version()
        previous = None if version is None else stored.read(version)
        scan = _scan_source(pipeline, previous, meter)
        difference = diff(previous, scan.table)
        touched = _touched_ids(previous, scan.table)
        schema_changed = previous is not None and not previous.schema.equals(scan.table.schema)
        if not write or not (previous is None or schema_changed or touched or difference):
            break
        if _write_difference(pipeline, stored, scan.table, version=version, difference=difference, touched=touched):
            break
    else:
        raise StoreError(f"{pipeline.media_key}: other runs wrote the catalog {_TRIES} times meanwhile; run again")
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


def _scan_source(pipeline: Pipeline, previous: pa.Table | None, meter: Meter) -> Scan:
    scan = pipeline.source.scan(previous, meter.to)
    if previous is not None and previous.num_rows and not scan.table.num_rows:
        raise SourceError(
            f"{pipeline.media_key}: the {pipeline.spec.media.source} source lists nothing, where the catalog has "
            f"{previous.num_rows:,} items: is a drive not mounted, or a pattern wrong? Nothing was changed"
        )
    return scan


def _write_difference(
    pipeline: Pipeline,
    stored: CatalogTable,
    table: pa.Table,
    *,
    version: int | None,
    difference: CatalogDiff,
    touched: list[str],
) -> bool:
    """Write what a scan found, unless another run wrote since: its scan may be newer, and both together are neither."""
    with alone(pipeline.store, f"catalog/{pipeline.spec.name}"):
        if stored.version() != version:
            return False
        changed = [*difference.new, *difference.changed, *touched]
        # A claim that expired while this run stood still would let another's commit come between.
        return stored.write(table, changed, list(difference.deleted)) == (version or 0) + 1


def _touched_ids(previous: pa.Table | None, now: pa.Table) -> list[str]:
    """Ids of files with another stat and the same content: were it not kept, each scan would hash them again."""
    if previous is None:
        return []
    now = now.filter(pc.not_equal(now[STAT_COLUMN], ""))
    places = pc.index_in(now["id"].combine_chunks(), previous["id"].combine_chunks())
    before = previous[STAT_COLUMN].take(places)
    # Null, and so left out, where there was no such item.
    touched = pc.and_(pc.not_equal(before, ""), pc.not_equal(before, now[STAT_COLUMN]))
    return list(now["id"].filter(touched).to_pylist())
