"""What a user declares of one index: its vectors, and what a generation must reach before it is published."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from embeddings_orch.models.analysis import Analysis
from embeddings_orch.models.paths import local_path
from embeddings_orch.spec.base import Name, Spec
from embeddings_orch.spec.full_text import FullText, FullTextSpec


class GoldenSpec(Spec):
    """A query whose right answer is known: every expected item has to be among the first ``within`` hits."""

    query: str | None = Field(default=None, min_length=1, description="Words to search for.")
    image: str | None = Field(default=None, min_length=1, description="Or the path of a picture to search by.")
    expect: tuple[str, ...] = Field(min_length=1, description="Ids of the items that have to be found.")
    within: int = Field(default=10, ge=1, le=1000, description="Among so many first hits.")
    embedding: Name | None = Field(default=None, description="The embedding to search, where the index has several.")

    @model_validator(mode="before")
    @classmethod
    def _local(cls, value: Any, info: ValidationInfo) -> Any:
        image = value.get("image") if isinstance(value, Mapping) else None
        return {**value, "image": str(local_path(image, info))} if isinstance(image, str) and image else value

    @model_validator(mode="after")
    def _one(self) -> GoldenSpec:
        if (self.query is None) == (self.image is None):
            raise PydanticCustomError("golden", "give either 'query' (words) or 'image' (a picture's path)")
        if len(self.expect) > self.within:
            raise PydanticCustomError("golden", "more items are expected than 'within' hits can hold")
        return self


class ChecksSpec(Spec):
    """What a generation has to reach before it is published."""

    min_recall: float = Field(
        default=0.95, ge=0, le=1, description="Smallest recall@10 against exact search that publishing needs."
    )
    max_failed: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Largest share of items without a vector that is published.",
    )
    min_overlap: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Smallest share of its ten nearest that an item keeps, on average, when the model changes.",
    )
    golden: tuple[GoldenSpec, ...] = Field(default=(), description="Queries whose right answers are known.")


class IndexSpec(Spec):
    """One searchable index over the catalog and some embeddings."""

    vectors: tuple[Name, ...] = Field(min_length=1, description="The embeddings it joins, by name.")
    metric: Literal["cosine", "l2", "dot"] = Field(default="cosine", description="How vectors are compared.")
    full_text: FullText = Field(
        default=(), description="Text columns that keyword search reads; or a mapping, with how their words are made."
    )
    checks: ChecksSpec = Field(default=ChecksSpec(), description="The limits of its checks.")
    keep_generations: int = Field(
        default=3,
        ge=1,
        description="How many versions of the current table, and how many earlier tables, gc keeps to go back to.",
    )
    map: Literal["pca", "umap", "none"] = Field(
        default="pca",
        description="How its vectors are laid out on a plane to look at; umap needs the extra of that name.",
    )

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that keyword search reads."""
        return self.full_text.columns if isinstance(self.full_text, FullTextSpec) else self.full_text

    @property
    def analysis(self) -> Analysis:
        """How the words of these are made; without any it is one for all."""
        if isinstance(self.full_text, FullTextSpec):
            return self.full_text.analysis
        return Analysis.of_options({}) if self.full_text else Analysis()

    @field_validator("map")
    @classmethod
    def _check_map(cls, method: str) -> str:
        if method == "umap":
            try:
                # By its distribution: another one has a module of the same name.
                version("umap-learn")
            except PackageNotFoundError as error:
                raise PydanticCustomError(
                    "map", "umap-learn is not installed; install it: pip install 'embeddings-orch[umap]'"
                ) from error
        return method
