"""The difference between an index and the rows that it should hold."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import SpecError, StoreError
from embeddings_orch.media.catalog.reading import item_keys
from embeddings_orch.models.analysis import describe_full_text_change
from embeddings_orch.models.identity import digest
from embeddings_orch.models.rows.digests import hash_rows, known_digests, row_digests
from embeddings_orch.models.rows.notes import DIGEST_COLUMN, is_data
from embeddings_orch.models.rows.sums import DIGEST_FIELD
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.plugins import suggestion
from embeddings_orch.spec.index import IndexSpec
from embeddings_orch.store.names import TableName
from embeddings_orch.store.tables.generations import Generation


@dataclass(frozen=True)
class IndexDelta:
    """The difference between an index and what it should hold; ids of rows.

    Attributes:
        digests: of the rows that it should hold, ``binary(32)``.
        new: counted against the deployment's newest generation of the table, as the following; against the table's
            latest version where there is none.
        reason: what it was compared with, where that is no matter of course.
        version: of the table that holds just these rows; None where none is known to.
        latest: version of the table, which a build writes on; None where there is no table.
        to_write: what the latest version lacks or has otherwise.
        to_delete: what the latest version has beside that.
    """

    table: TableName
    digests: pa.Array
    new: list[str]
    changed: list[str]
    unchanged: int
    deleted: list[str]
    reason: str
    version: int | None
    latest: int | None
    to_write: list[str] = field(repr=False)
    to_delete: list[str] = field(repr=False)

    @property
    def writes(self) -> bool:
        """Whether the table has to change."""
        return self.version is None


class _Differences(NamedTuple):
    new: list[str]
    changed: list[str]
    deleted: list[str]


def table_name(pipeline: Pipeline, index: str, catalog: pa.Schema) -> TableName:
    """The table of an index: another one for other models, inputs, metric, full text or catalog columns."""
    columns = [[name, str(catalog.field(name).type)] for name in index_columns(pipeline, catalog.names)]
    columns.append([DIGEST_COLUMN, str(DIGEST_FIELD.type)])
    # With the names, because a generation's id is made of this hash and has to be one of its own in the store.
    version = digest([pipeline.spec.name, index, pipeline.spec.index_version(index), columns])
    return TableName.of_index(pipeline.spec.name, index, version[:12])


def index_columns(pipeline: Pipeline, names: Iterable[str]) -> list[str]:
    """The catalog's columns that an index holds: not those of ready-made vectors, which are in its vector columns."""
    left_out = {spec.inputs.vectors for spec in pipeline.spec.embeddings.values()}
    return [name for name in names if is_data(name) and name not in left_out]


def current_table(pipeline: Pipeline, index: str) -> TableName:
    """The table of an index by the stored catalog, of which only the columns are read.

    Raises:
        StoreError: there is no catalog.
    """
    return table_name(pipeline, index, pipeline.catalog_schema())


def current_generation(pipeline: Pipeline, index: str) -> Generation | None:
    """The newest generation of the declaration as it stands, or None."""
    table = current_table(pipeline, index)
    generations = [g for g in pipeline.store.generations.of(pipeline.spec.name, index) if g.table == table]
    return max(generations, key=lambda generation: generation.version) if generations else None


def index_delta(pipeline: Pipeline, index: str, catalog: pa.Table, has_vector: dict[str, pa.Array]) -> IndexDelta:
    """Compare an index table with the rows it should hold: the deployment's newest generation, then what is latest.

    Another deployment may have written its own rows to the table since; what is older than the deployment's newest
    generation is never looked at.

    Args:
        pipeline: the pipeline.
        index: the index.
        catalog: its rows.
        has_vector: for each embedding the keys that have a vector (or will have one).

    Raises:
        SpecError: a column of the declaration is not in the catalog, or is there twice.
    """
    digests = wanted_digests(pipeline, index, catalog, has_vector)
    wanted = dict(zip(catalog["id"].to_pylist(), digests.to_pylist(), strict=True))
    name = table_name(pipeline, index, catalog.schema)
    table = pipeline.store.index(name)
    latest, own = table.latest(), _newest_version(pipeline, index, name)
    first = latest if own is None else own
    before, reason = table.digests(first), ""
    differences = _compare(before, wanted)
    against_latest = differences
    version = None if first is None or any(differences) else first
    if version is None and own is not None and own != latest:
        against_latest = _compare(table.digests(latest), wanted)
        version = None if any(against_latest) else latest
        reason = f"rows differ from version {own}, this deployment's last; "
        reason += f"version {latest} of the table has {'these' if version else 'others'}"
    if latest is None and (generations := pipeline.store.generations.of(pipeline.spec.name, index)):
        last = generations[-1]
        # Only for the counts: a former table that is lost or damaged must not stop the next one.
        with suppress(StoreError):
            before = dict.fromkeys(pipeline.store.index(last.table).digests(last.version), b"")
            differences = _compare(before, wanted)
        spec = pipeline.spec.indexes[index]
        change = describe_full_text_change(last.full_text, last.analysis, spec.text_columns, spec.analysis)
        reason = f"its models, columns or settings changed: a new table{f' ({change})' if change else ''}"
    if not reason:
        reason = "rows differ" if any(differences) else "up to date"
        reason = reason if before or not wanted else "never built"
    new, changed, deleted = differences
    return IndexDelta(
        table=name,
        digests=digests,
        new=new,
        changed=changed,
        unchanged=len(wanted) - len(new) - len(changed),
        deleted=deleted,
        reason=reason,
        version=version,
        latest=latest,
        to_write=[*against_latest.new, *against_latest.changed],
        to_delete=against_latest.deleted,
    )


def wanted_digests(pipeline: Pipeline, index: str, catalog: pa.Table, has_vector: dict[str, pa.Array]) -> pa.Array:
    """The digests of the rows that an index should hold, ``binary(32)``, in the catalog's order; see `index_delta`."""
    spec = pipeline.spec.indexes[index]
    _check_columns(pipeline, index, spec, catalog)
    return _digests(pipeline, spec, catalog, has_vector)


def _newest_version(pipeline: Pipeline, index: str, table: TableName) -> int | None:
    """The version of the deployment's newest generation of a table; None where there is none, or it is gone."""
    generations = pipeline.store.generations.of(pipeline.spec.name, index)
    version = max((generation.version for generation in generations if generation.table == table), default=None)
    return None if version is None or pipeline.store.index(table).at(version) is None else version


def _compare(before: dict[str, bytes], wanted: dict[str, bytes]) -> _Differences:
    """The ids of rows that came, changed and went."""
    new = [item for item in wanted if item not in before]
    changed = [item for item, digest in wanted.items() if before.get(item, digest) != digest]
    return _Differences(new, changed, [item for item in before if item not in wanted])


def _check_columns(pipeline: Pipeline, index: str, spec: IndexSpec, catalog: pa.Table) -> None:
    asset = pipeline.index_key(index)
    columns = index_columns(pipeline, catalog.schema.names)
    types = {name: catalog.schema.field(name).type for name in columns}
    texts = [name for name, kind in types.items() if pa.types.is_large_string(kind) or pa.types.is_string(kind)]
    for column in spec.text_columns:
        if column not in texts:
            raise SpecError(f"{asset}: full_text names {column!r}, which is no text column{suggestion(column, texts)}")
    for name in spec.vectors:
        if name in columns:
            raise SpecError(
                f"{asset}: the embedding {name!r} has the name of a media column; give one of them another name: that "
                f"of the embedding, or of the column: media: {{columns: {{rename: {{{name}: NAME}}}}}}"
            )


def _digests(pipeline: Pipeline, spec: IndexSpec, catalog: pa.Table, has_vector: dict[str, pa.Array]) -> pa.Array:
    columns = index_columns(pipeline, catalog.column_names)
    # Without ready-made vectors the rows are the catalog's.
    whole = len(columns) == sum(map(is_data, catalog.column_names))
    parts = [known_digests(catalog) if whole else row_digests(catalog.select(columns))]
    for name in spec.vectors:
        for keys in item_keys(catalog, pipeline.spec.embeddings[name].inputs):
            parts.append(pc.if_else(pc.is_in(keys, has_vector[name]), keys, pa.scalar(None, keys.type)))
    return hash_rows(parts)
