"""The keys of a pipeline's assets, by which plans, reports, orchestrators and people name them."""

from __future__ import annotations

from typing import Literal, Self, cast

AssetKind = Literal["raw_media", "embeddings", "index", "published"]

KINDS: tuple[AssetKind, ...] = ("raw_media", "embeddings", "index", "published")
"""In the order of the asset graph."""


class AssetKey(str):
    """``pipeline/raw_media``, ``pipeline/embeddings/NAME``, ``pipeline/index/NAME`` or ``pipeline/published/NAME``.

    Example:
        >>> key = AssetKey.of_embedding("photos", "clip")
        >>> str(key), key.pipeline, key.kind, key.name
        ('photos/embeddings/clip', 'photos', 'embeddings', 'clip')
        >>> AssetKey.parse("photos/clips") is None
        True
    """

    __slots__ = ()

    @classmethod
    def of_media(cls, pipeline: str) -> Self:
        """The catalog."""
        return cls(f"{pipeline}/raw_media")

    @classmethod
    def of_embedding(cls, pipeline: str, name: str) -> Self:
        """An embedding."""
        return cls(f"{pipeline}/embeddings/{name}")

    @classmethod
    def of_index(cls, pipeline: str, name: str) -> Self:
        """An index."""
        return cls(f"{pipeline}/index/{name}")

    @classmethod
    def of_published(cls, pipeline: str, name: str) -> Self:
        """The pointer that search of an index follows."""
        return cls(f"{pipeline}/published/{name}")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The key that a text is, or None: an asset of somebody else."""
        match text.split("/"):
            case [_, "raw_media"] | [_, "embeddings" | "index" | "published", _]:
                return cls(text)
        return None

    @property
    def path(self) -> list[str]:
        """Its parts."""
        return self.split("/")

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return self.path[0]

    @property
    def kind(self) -> AssetKind:
        """What it is."""
        return cast(AssetKind, self.path[1])

    @property
    def name(self) -> str:
        """The embedding or index; of the catalog empty."""
        return self.path[2] if len(self.path) == 3 else ""

    @property
    def within(self) -> str:
        """The key without the pipeline: ``embeddings/clip``."""
        return self.partition("/")[2]
