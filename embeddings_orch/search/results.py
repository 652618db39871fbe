"""What a search answers: hits, and the forms in which other programs take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.media.catalog.names import free_name

if TYPE_CHECKING:
    # Optional, and without types of its own.
    DataFrame = Any

Model = TypeVar("Model", bound=BaseModel)

_OWN = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("distance", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Hit:
    """One found item.

    Attributes:
        score: higher is better. Of one embedding: 1 - distance for cosine and dot, 1 / (1 + distance) for l2; of
            keywords: BM25; of several rankings: what the fusion makes of them.
        distance: as LanceDB returns it for the index's metric; None where no single embedding was searched, or the
            words alone found the item.
        metadata: the item's other columns.
    """

    id: str
    uri: str
    score: float
    distance: float | None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """The answer to one query, wholly of one generation; iterates over its hits, best first.

    Attributes:
        columns: the names and types of the metadata.
    """

    index: str
    generation: str
    hits: list[Hit]
    columns: tuple[pa.Field, ...] = field(default=(), repr=False, compare=False)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def to_json(self) -> dict[str, Any]:
        """The object that ``search --json`` prints."""
        return {
            "index": self.index,
            "generation": self.generation,
            "hits": [asdict(hit) for hit in self.hits],
        }

    def to_arrow(self) -> pa.Table:
        """A row a hit: ``id``, ``uri``, ``score``, ``distance`` and the columns of the metadata with their types.

        A column of the catalog that is called ``score`` or ``distance`` becomes ``metadata_score`` or
        ``metadata_distance``, or the next name that is free: ``metadata_score_2``.
        """
        fields = self.columns
        columns = [pa.array([getattr(hit, field.name) for hit in self.hits], field.type) for field in _OWN]
        columns += [pa.array([hit.metadata.get(field.name) for hit in self.hits], field.type) for field in fields]
        taken = {field.name for field in fields}
        renamed = {name: free_name(f"metadata_{name}", taken) for name in taken.intersection(_OWN.names)}
        named = [field.with_name(renamed.get(field.name, field.name)) for field in fields]
        return pa.table(columns, schema=pa.schema([*_OWN, *named]))

    def to_pandas(self) -> DataFrame:
        """`to_arrow` as a pandas DataFrame.

        Raises:
            EmbeddingsOrchError: pandas is not installed.
        """
        if find_spec("pandas") is None:
            raise EmbeddingsOrchError("pandas is not installed; add it with: pip install pandas, or use to_arrow()")
        return self.to_arrow().to_pandas()

    def to_pydantic(self, model: type[Model]) -> list[Model]:
        """Each hit as an object of a pydantic model, whose fields are taken from the hit and its metadata by name.

        Raises:
            EmbeddingsOrchError: a hit does not fit the model; the message names the item and the field.
        """
        return [_object(model, hit) for hit in self.hits]


def _object(model: type[Model], hit: Hit) -> Model:
    values = {**hit.metadata, **{field.name: getattr(hit, field.name) for field in _OWN}}
    known = {name for key, info in model.model_fields.items() for name in (key, info.alias) if name}
    if model.model_config.get("extra") == "forbid":
        # What the model does not ask for is not a mistake here: the catalog has columns of its own.
        values = {name: value for name, value in values.items() if name in known}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or model.__name__
        raise EmbeddingsOrchError(f"{hit.id} does not fit {model.__name__}: {place}: {first['msg']}") from error
