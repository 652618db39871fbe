"""The names that the store's tables and rows go by: texts that know their parts."""

from __future__ import annotations

from typing import Literal, Self

TableKind = Literal["catalog", "vectors", "index", ""]


class QualifiedName(str):
    """``pipeline/name``: an index or an embedding, with the pipeline that declares it.

    Example:
        >>> QualifiedName.of("photos", "found").name
        'found'
    """

    __slots__ = ()

    @classmethod
    def of(cls, pipeline: str, name: str) -> Self:
        """The name of what a pipeline declares."""
        return cls(f"{pipeline}/{name}")

    @property
    def pipeline(self) -> str:
        """The pipeline."""
        return self.partition("/")[0]

    @property
    def name(self) -> str:
        """The index or the embedding."""
        return self.partition("/")[2]


class TableName(str):
    """``catalog.PIPELINE``, ``vectors.FINGERPRINT``, ``index.PIPELINE.INDEX.HASH``, or a table of the whole store.

    Any text is a table's name: a store can hold tables of others. Of those `kind` is empty.

    Example:
        >>> table = TableName.of_index("photos", "found", "1f0c")
        >>> str(table), table.kind, table.pipeline, table.declared_as, table.hash
        ('index.photos.found.1f0c', 'index', 'photos', 'photos/found', '1f0c')
        >>> TableName("published").kind
        ''
    """

    __slots__ = ()

    @classmethod
    def of_catalog(cls, pipeline: str) -> Self:
        """The catalog of a pipeline's media."""
        return cls(f"catalog.{pipeline}")

    @classmethod
    def of_vectors(cls, fingerprint: str) -> Self:
        """The vectors of a model."""
        return cls(f"vectors.{fingerprint}")

    @classmethod
    def of_index(cls, pipeline: str, index: str, hash: str) -> Self:
        """One table of an index; the hash is of all that needs a table of its own."""
        return cls(f"index.{pipeline}.{index}.{hash}")

    @property
    def kind(self) -> TableKind:
        """What the table holds."""
        match self.split("."):
            case ["catalog", _]:
                return "catalog"
            case ["vectors", _]:
                return "vectors"
            case ["index", _, _, _]:
                return "index"
        return ""

    @property
    def pipeline(self) -> str:
        """Whose catalog or index it is; empty of others."""
        return self.split(".")[1] if self.kind in ("catalog", "index") else ""

    @property
    def declared_as(self) -> QualifiedName | None:
        """The index that it is a table of; None of others."""
        return QualifiedName.of(*self.split(".")[1:3]) if self.kind == "index" else None

    @property
    def fingerprint(self) -> str:
        """The model whose vectors it holds; empty of others."""
        return self.split(".")[1] if self.kind == "vectors" else ""

    @property
    def hash(self) -> str:
        """What tells an index's table from the index's other ones; empty of others."""
        return self.split(".")[3] if self.kind == "index" else ""
