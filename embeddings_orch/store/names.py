"""The names that the store's tables and rows go by: texts that know their parts."""

from __future__ import annotations

import re
from typing import Literal, Self

from embeddings_orch.errors import StoreError

TableKind = Literal["catalog", "vectors", "index", ""]

MAIN = "main"
"""The deployment of a store that has no others."""

DEPLOYMENT_PATTERN = r"[A-Za-z0-9_-]{1,100}"
"""Of a deployment's name, as a whole."""


def check_deployment(name: str) -> str:
    """A deployment's name.

    Raises:
        StoreError: it cannot be one.
    """
    if not re.fullmatch(DEPLOYMENT_PATTERN, name):
        allowed = "1 to 100 of the characters A-Z, a-z, 0-9, _ and -"
        raise StoreError(f"{name[:120]!r} cannot be the name of a deployment: that has {allowed}")
    return name


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


class DeployedName(str):
    """``deployment/pipeline/name``: an index or an embedding, with the pipeline that declares it where it is deployed.

    Example:
        >>> DeployedName.of("main", "photos", "found").qualified
        'photos/found'
    """

    __slots__ = ()

    @classmethod
    def of(cls, deployment: str, pipeline: str, name: str) -> Self:
        """The name of what a deployment's pipeline declares."""
        return cls(f"{deployment}/{pipeline}/{name}")

    @property
    def deployment(self) -> str:
        """The deployment."""
        return self.partition("/")[0]

    @property
    def qualified(self) -> QualifiedName:
        """The name without the deployment."""
        return QualifiedName(self.partition("/")[2])


class TableName(str):
    """``items.DEPLOYMENT.PIPELINE``, ``embeddings.FINGERPRINT``, ``index.PIPELINE.INDEX.HASH``, or a table of all.

    Any text is a table's name: a store can hold tables of others. Of those `kind` is empty.

    Example:
        >>> table = TableName.of_index("photos", "found", "1f0c")
        >>> str(table), table.kind, table.pipeline, table.declared_as, table.hash
        ('index.photos.found.1f0c', 'index', 'photos', 'photos/found', '1f0c')
        >>> TableName("pointers").kind
        ''
    """

    __slots__ = ()

    @classmethod
    def of_catalog(cls, pipeline: str, deployment: str = MAIN) -> Self:
        """The catalog of a pipeline's media."""
        return cls(f"items.{deployment}.{pipeline}")

    @classmethod
    def of_tombstones(cls, pipeline: str, deployment: str = MAIN) -> Self:
        """What was deleted from a catalog."""
        return cls(f"tombstones.{deployment}.{pipeline}")

    @classmethod
    def of_vectors(cls, fingerprint: str) -> Self:
        """The vectors of a model."""
        return cls(f"embeddings.{fingerprint}")

    @classmethod
    def of_index(cls, pipeline: str, index: str, hash: str) -> Self:
        """One table of an index; the hash is of all that needs a table of its own."""
        return cls(f"index.{pipeline}.{index}.{hash}")

    @property
    def kind(self) -> TableKind:
        """What the table holds."""
        match self.split("."):
            case ["items", _, _]:
                return "catalog"
            case ["embeddings", _]:
                return "vectors"
            case ["index", _, _, _]:
                return "index"
        return ""

    @property
    def pipeline(self) -> str:
        """Whose catalog or index it is; empty of others."""
        parts = self.split(".")
        return parts[2] if self.kind == "catalog" else parts[1] if self.kind == "index" else ""

    @property
    def deployment(self) -> str:
        """Whose catalog it is; empty of others."""
        return self.split(".")[1] if self.kind == "catalog" else ""

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
