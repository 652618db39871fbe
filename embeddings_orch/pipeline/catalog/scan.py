"""The raw_media step: list the media, write the catalog where it changed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import MassDeleteError, StoreError
from embeddings_orch.media.base import Problem
from embeddings_orch.media.catalog.diff import CatalogDiff, diff
from embeddings_orch.media.catalog.stored import to_stored
from embeddings_orch.media.passed_over import PassedOver
from embeddings_orch.models.rows.digests import add_digests, catalog_digest
from embeddings_orch.models.rows.notes import DIGEST_COLUMN, PART_COLUMN, STAT_COLUMN
from embeddings_orch.pipeline.catalog.deletions import NOTHING, Allowed, check_deletions, describe_kept, keep_hidden
from embeddings_orch.pipeline.catalog.notes import note_scan
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.events import EventListener
from embeddings_orch.pipeline.progress import Meter
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.store.claims import alone
from embeddings_orch.store.names import TableName
from embeddings_orch.store.tables.catalog import CatalogTable
from embeddings_orch.store.tidy import tidy

_EVER = datetime.min.replace(tzinfo=UTC)
_TRIES = 10
"""Scans that may find, one after another, that another run wrote the catalog meanwhile."""


@dataclass(frozen=True)
class ScanReport:
    """What a scan found, against the stored catalog.

    Attributes:
        digest: of all rows, in whatever order; the asset's data version.
        problems: rows and files that are not in the catalog, and columns that are there otherwise, with reasons.
        version: of the stored catalog where that stays as it is, else None.
        passed_over: files of kinds that are not read, and sounds that no pattern names, by kind.
        kept: rows of the last catalog that the scan could not see and that stay.
        warning: what is not as it should be, where it is not an error: why rows are kept, or, of a dry run, why a run
            would refuse; else empty.
    """

    asset: AssetKey
    new: int
    changed: int
    unchanged: int
    deleted: int
    problems: list[Problem]
    passed_over: tuple[PassedOver, ...]
    digest: str
    table: pa.Table
    version: int | None
    seconds: float
    kept: int = 0
    warning: str = ""

    @property
    def left_out(self) -> list[Problem]:
        """What is not in the catalog."""
        return [problem for problem in self.problems if not problem.kept]

    @property
    def writes(self) -> bool:
        """Whether the catalog differs from the stored one."""
        return bool(self.new or self.changed or self.deleted)


def scan_media(
    pipeline: Pipeline,
    *,
    write: bool = True,
    allowed: Allowed = NOTHING,
    rehash: bool = False,
    listener: EventListener | None = None,
) -> ScanReport:
    """List the media and make the stored catalog hold exactly them, and what the source could not look at.

    Args:
        pipeline: whose media.
        write: False for a dry run.
        allowed: what is refused otherwise.
        rehash: read all media again, those too that seem to be as they were.
        listener: told of progress.

    Raises:
        SourceError: the source cannot be read, or lists nothing where there were items; the stored catalog stays.
        MassDeleteError: more than half of the items are gone; the stored catalog stays.
        StoreError: the store cannot be used.
    """
    declared, root = pipeline.spec.media_version(), pipeline.source.root
    stored = pipeline.store.catalog(pipeline.spec.name)
    meter = Meter(pipeline.media_key, "items", listener=listener)
    for _ in range(_TRIES):
        version = stored.version()
        previous = None if version is None else stored.read(version)
        known = previous if previous is not None else _catalog_elsewhere(pipeline)
        scan = pipeline.source.scan(_known_to_source(pipeline, known, rehash), meter.to)
        listed, told = to_stored(scan.table, root, str(pipeline.media_key))
        table, kept = keep_hidden(listed, scan.problems, previous)
        difference = diff(previous, table)
        table = add_digests(table, previous, [*difference.new, *difference.changed])
        touched = _touched_ids(previous, table)
        schema_changed = previous is not None and not previous.schema.equals(table.schema)
        same_declaration = stored.media_version() in ("", declared)
        moved = previous is not None and stored.root() != root
        refusal = ""
        try:
            check_deletions(
                pipeline.media_key, previous, table, difference.deleted, allowed=allowed, declared=same_declaration
            )
        except MassDeleteError as error:
            if write:
                raise
            refusal = f"a run will refuse this: {error}"
        stays = previous is not None and same_declaration and not (schema_changed or touched or difference or moved)
        if not write or stays:
            break
        if _write_difference(pipeline, stored, table, version=version, difference=difference, touched=touched):
            break
    else:
        raise StoreError(f"{pipeline.media_key}: other runs wrote the catalog {_TRIES} times meanwhile; run again")
    if write:
        # Beside the catalog: what is passed over changes no row, and so makes no version of it.
        pipeline.store.scans.put(
            pipeline.spec.name, note_scan([problem for problem in scan.problems if not problem.kept], scan.passed_over)
        )
    meter.to(table.num_rows)
    return ScanReport(
        asset=pipeline.media_key,
        new=len(difference.new),
        changed=len(difference.changed),
        unchanged=difference.unchanged,
        deleted=len(difference.deleted),
        problems=[*scan.problems, *told],
        passed_over=scan.passed_over,
        digest=catalog_digest(table),
        table=table,
        version=version if stays else None,
        seconds=meter.seconds,
        kept=kept,
        warning=refusal or describe_kept(scan.problems, kept),
    )


def _catalog_elsewhere(pipeline: Pipeline) -> pa.Table | None:
    """Another deployment's catalog of the pipeline, the one that was written last: the same files have its hashes."""
    store = pipeline.store
    names = [name for name in map(TableName, store.table_names()) if name.kind == "catalog"]
    tables = [CatalogTable(store, name) for name in names if name.pipeline == pipeline.spec.name]
    # Only to save time: one that is damaged or is being dropped must not stop this deployment's first scan.
    with suppress(StoreError):
        written = {table.name: at for table in tables if (at := table.last_written()) is not None}
        newest = max(tables, key=lambda table: written.get(table.name, _EVER), default=None)
        return None if newest is None else newest.read()
    return None


def _known_to_source(pipeline: Pipeline, catalog: pa.Table | None, rehash: bool) -> pa.Table | None:
    """The last catalog as a source takes it: with absolute uris, and where all is to be read again, without stats."""
    if catalog is None:
        return None
    notes = {PART_COLUMN, DIGEST_COLUMN}.intersection(catalog.column_names)
    catalog = pipeline.absolute(catalog).drop_columns(list(notes))
    if not rehash or STAT_COLUMN not in catalog.column_names:
        return catalog
    place = catalog.column_names.index(STAT_COLUMN)
    return catalog.set_column(place, STAT_COLUMN, pa.nulls(catalog.num_rows, pa.string()))


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
    with alone(pipeline.store, f"catalog/{pipeline.store.deployment}/{pipeline.spec.name}"):
        if stored.version() != version:
            return False
        if version is None:
            # Its versions begin anew, and what was covered of a catalog that is gone says nothing of this one.
            pipeline.store.states.forget_catalog(pipeline.spec.name)
            pipeline.store.index_states.forget_catalog(pipeline.spec.name)
        changed = [*difference.new, *difference.changed, *touched]
        # A claim that expired while this run stood still would let another's commit come between.
        tombstones = pipeline.store.tombstones(pipeline.spec.name)
        tombstones.add(difference.deleted, (version or 0) + 1)
        written = stored.write(
            table,
            changed,
            list(difference.deleted),
            media_version=pipeline.spec.media_version(),
            root=pipeline.source.root,
        )
        if written != (version or 0) + 1:
            return False
        # Under the claim, and before an embedding notes which version it covers.
        covered = {state.catalog_version for state in pipeline.store.states.of_pipeline(pipeline.spec.name).values()}
        tidy(stored, covered, pipeline.spec.store.gc_grace)
        if covered:
            tombstones.forget(min(covered))
        return True


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
