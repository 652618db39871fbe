"""The store: all that is kept, table by table."""

from __future__ import annotations

from functools import cached_property, partial

from embeddings_orch.store.database import LanceDatabase
from embeddings_orch.store.names import TableName
from embeddings_orch.store.tables.catalog import CatalogTable
from embeddings_orch.store.tables.failures import FailuresTable
from embeddings_orch.store.tables.generations import GenerationsTable
from embeddings_orch.store.tables.index_states import IndexStatesTable
from embeddings_orch.store.tables.index_table import IndexTable
from embeddings_orch.store.tables.maps import MapsTable
from embeddings_orch.store.tables.publications import PublicationsTable
from embeddings_orch.store.tables.published import PointersTable
from embeddings_orch.store.tables.scans import ScansTable
from embeddings_orch.store.tables.states import StatesTable
from embeddings_orch.store.tables.tombstones import TombstonesTable
from embeddings_orch.store.tables.vectors import VectorsTable


class Store(LanceDatabase):
    """The tables of a store, as one deployment sees them; makes none before something is written.

    Args:
        uri: a folder, or ``s3://bucket/prefix`` (credentials come from the environment).
        deployment: whose catalogs, states and pointers are read and written; vectors and index tables are everybody's.

    Raises:
        StoreError: the place cannot be used, a newer version of this package wrote it, or the deployment has no name.
    """

    def catalog(self, pipeline: str) -> CatalogTable:
        """The catalog of the deployment's media of a pipeline."""
        return CatalogTable(self, TableName.of_catalog(pipeline, self.deployment))

    def tombstones(self, pipeline: str) -> TombstonesTable:
        """What was deleted from the catalog of a pipeline's media."""
        catalog = TableName.of_catalog(pipeline, self.deployment)
        return TombstonesTable(self, TableName.of_tombstones(pipeline, self.deployment), catalog)

    def vectors(self, fingerprint: str) -> VectorsTable:
        """The vectors of one model, shared by all pipelines of the store."""
        return VectorsTable(self, TableName.of_vectors(fingerprint), partial(self._forget_vectors, fingerprint))

    def _forget_vectors(self, fingerprint: str) -> None:
        self.states.forget_vectors(fingerprint)
        self.index_states.forget_vectors(fingerprint)

    def index(self, table: str) -> IndexTable:
        """One index table, by the name its generation says."""
        return IndexTable(self, table)

    @cached_property
    def failures(self) -> FailuresTable:
        """Contents that a model could not embed."""
        return FailuresTable(self)

    @cached_property
    def scans(self) -> ScansTable:
        """What the last scan of each pipeline's media did not take in."""
        return ScansTable(self, self.deployment)

    @cached_property
    def states(self) -> StatesTable:
        """What each embedding asset covered when it was last materialized."""
        return StatesTable(self, self.deployment)

    @cached_property
    def index_states(self) -> IndexStatesTable:
        """What each index was made from when it was last materialized."""
        return IndexStatesTable(self, self.deployment)

    @cached_property
    def generations(self) -> GenerationsTable:
        """All built index generations."""
        return GenerationsTable(self, self.deployment)

    @cached_property
    def maps(self) -> MapsTable:
        """The maps of the generations' vectors."""
        return MapsTable(self)

    @cached_property
    def publications(self) -> PublicationsTable:
        """When search was pointed at which generation."""
        return PublicationsTable(self, self.deployment)

    @cached_property
    def published(self) -> PointersTable:
        """Which generation search follows."""
        return PointersTable(self, self.deployment)
