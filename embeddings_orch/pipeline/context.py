"""A pipeline at work: its declaration with its store and its source."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa

from embeddings_orch.errors import StoreError
from embeddings_orch.media.base import Source
from embeddings_orch.media.catalog.reading import is_there, read_columns
from embeddings_orch.media.roots import absolute_uris
from embeddings_orch.media.scan import source_for
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.spec.deployment import open_store
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.store import Store

T = TypeVar("T")


class Pipeline:
    """What every step is given."""

    def __init__(self, spec: PipelineSpec, store: Store | None = None) -> None:
        self.spec = spec
        self.store = store or open_store(spec.store)

    @cached_property
    def source(self) -> Source[Any]:
        """The media source."""
        return source_for(self.spec.media.config)

    @property
    def media_key(self) -> AssetKey:
        """The asset key of the catalog."""
        return AssetKey.of_media(self.spec.name)

    def embedding_key(self, name: str) -> AssetKey:
        """The asset key of an embedding."""
        return AssetKey.of_embedding(self.spec.name, name)

    def index_key(self, name: str) -> AssetKey:
        """The asset key of an index."""
        return AssetKey.of_index(self.spec.name, name)

    def published_key(self, name: str) -> AssetKey:
        """The asset key of an index's published pointer."""
        return AssetKey.of_published(self.spec.name, name)

    def catalog(self) -> pa.Table:
        """The stored catalog, with relative uris; `absolute` makes them absolute.

        Raises:
            StoreError: it was never written.
        """
        return self._require(self.store.catalog(self.spec.name).read())

    def catalog_schema(self) -> pa.Schema:
        """The columns of the stored catalog, of which no row is read.

        Raises:
            StoreError: it was never written.
        """
        return self._require(self.store.catalog(self.spec.name).schema())

    def contents_catalog(self, inputs: Inputs) -> pa.Table:
        """The columns of the stored catalog that an embedding's contents are read from; all, where it lacks an input.

        The uris are absolute, so that whoever reads or names a content has them so.

        Raises:
            StoreError: it was never written.
        """
        # All of them, so that the error of who reads the contents can name those that are there.
        there = is_there(inputs, self.catalog_schema().names)
        columns = read_columns(inputs) if there else None
        return self.absolute(self._require(self.store.catalog(self.spec.name).read(columns=columns)))

    def absolute(self, table: pa.Table) -> pa.Table:
        """Rows of the catalog or of an index with absolute uris, by where the declaration says that the media are."""
        return absolute_uris(self.source.root, table)

    def _require(self, found: T | None) -> T:
        if found is None:
            raise StoreError(
                f"{self.media_key} was never materialized in the store {self.spec.store.uri}; materialize it first"
            )
        return found
