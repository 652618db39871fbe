"""``POST /v1/search``: what `Index.search` does, as JSON."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from starlette.responses import Response

from embeddings_orch.errors import EmbeddingsOrchError, FilterError, StoreError
from embeddings_orch.search.request import CANDIDATES
from embeddings_orch.search.results import Results
from embeddings_orch.server.gate.answers import json_answer
from embeddings_orch.server.gate.limits import (
    COLUMNS,
    DIMENSIONS,
    FILTER_PARAMS,
    KEYWORD_BYTES,
    KEYWORDS,
    OFFSET,
    ItemId,
    ShortName,
    ShortText,
    at_most,
    size_of,
)
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.filtering import check_filter
from embeddings_orch.server.shared.pictures import is_large, picture_at, picture_of
from embeddings_orch.server.shared.rows import gone_problem, is_gone, read_row
from embeddings_orch.server.shared.served import ServedIndex
from embeddings_orch.server.shared.state import State, state
from embeddings_orch.store.tables.generations import Generation

router = APIRouter(tags=["search"])

_LARGE_AT_ONCE = 2
_WORD = re.compile(r"[^\W_]+")


class Strict(BaseModel):
    """A request's part; what it does not know is refused by name."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ImageQuery(Strict):
    """A picture: the file itself, or where it is on the public web."""

    base64: str | None = Field(None, description="The file's bytes in base64, bare or as a data URI.")
    url: ItemId | None = Field(None, description="http(s), where the server allows URLs.")

    @model_validator(mode="after")
    def _one(self) -> ImageQuery:
        if (self.base64 is None) == (self.url is None):
            raise ValueError("give exactly one of base64 and url")
        return self


class SearchRequest(Strict):
    """A search; the fields are those of `Index.search` in Python."""

    index: ShortName | None = Field(None, description="Its name, or `pipeline/index`; not needed where there is one.")
    pipeline: ShortName | None = None
    text: ShortText | None = None
    image: ImageQuery | None = None
    vector: list[float] | None = Field(None, max_length=DIMENSIONS, description="Of the model of `column`.")
    id: ItemId | None = Field(None, description="More like this item.")
    keyword: Annotated[str, at_most(KEYWORD_BYTES)] | None = None
    hybrid: bool = False
    alpha: float | None = Field(None, description="The vectors' share: 0 is keywords only, 1 vectors only.")
    weights: dict[ShortName, float] | None = Field(
        None, max_length=COLUMNS, description="Embeddings, each with its share."
    )
    fusion: Literal["rrf", "relative"] | None = None
    column: ShortName | None = Field(None, description="The one embedding to search.")
    columns: list[ShortName] | None = Field(None, max_length=COLUMNS)
    where: str | None = Field(None, description="SQL over the columns; `:name` is of `params`.")
    params: dict[ShortName, Any] | None = Field(None, max_length=FILTER_PARAMS)
    limit: int = Field(10, ge=1)
    offset: Annotated[int, Field(ge=0, le=OFFSET)] = 0
    candidates: int = Field(CANDIDATES, ge=1, le=OFFSET)
    generation: ShortName | None = Field(None, description="Default the published one.")

    @field_validator("where")
    @classmethod
    def _check_where(cls, where: str | None) -> str | None:
        return where if where and not where.isspace() else None


@router.post("/v1/search", summary="Search an index")
async def search(body: SearchRequest, request: Request) -> Response:
    """Find the nearest items to a text, a picture, a vector or another item; by keywords; or by several at once."""
    app_state = state(request)
    if body.limit > app_state.settings.max_limit:
        raise HttpProblem(400, f"limit: at most {app_state.settings.max_limit:,} hits at a time", param="limit")
    _check_words(body)
    check_filter(body.where, body.params)
    served_index = app_state.served.index(body.index, body.pipeline)
    started = time.perf_counter()
    image = await _image(app_state, body.image)
    lane, at_once = str(served_index.key), None
    if image is not None and is_large(image):
        lane, at_once = f"{served_index.key} large", _LARGE_AT_ONCE
    generation, results = await app_state.lanes.run(
        lane, lambda: _search_latest(served_index, body, image), at_once=at_once
    )
    app_state.metrics.searches.labels(served_index.index.pipeline, served_index.index.name, _kind(body)).inc()
    app_state.rows.remember(served_index, generation, results)
    return json_answer(
        {
            "index": served_index.index.name,
            "pipeline": served_index.index.pipeline,
            "generation": results.generation,
            "hits": results.to_json()["hits"],
            "seconds": round(time.perf_counter() - started, 6),
        }
    )


def _check_words(body: SearchRequest) -> None:
    """Refuse more words for the full text than can be looked up in time."""
    param, words = ("text", body.text) if body.keyword is None else ("keyword", body.keyword)
    if words is None or (body.keyword is None and not body.hybrid and body.alpha is None):
        return
    if size_of(words) > KEYWORD_BYTES or sum(1 for _ in _WORD.finditer(words)) > KEYWORDS:
        raise HttpProblem(
            400,
            f"{param}: the full text is searched for at most {KEYWORDS} words of {KEYWORD_BYTES:,} bytes in all; give "
            "fewer as keyword",
            param=param,
        )


async def _image(app_state: State, query: ImageQuery | None) -> bytes | None:
    if query is None:
        return None
    if query.base64 is not None:
        encoded = query.base64
        return await app_state.lanes.light(lambda: picture_of(encoded, app_state.settings))
    url = str(query.url)
    return await app_state.lanes.run(" urls", lambda: picture_at(url, app_state.settings), at_once=8)


def _search_latest(served_index: ServedIndex, body: SearchRequest, image: bytes | None) -> tuple[Generation, Results]:
    generation = served_index.generation(body.generation)
    try:
        return generation, _search(served_index, body, image, generation)
    except StoreError as error:
        if is_gone(served_index, generation):
            # Removed a moment after another was published: that one answers.
            latest = served_index.generation(body.generation)
            if latest.id == generation.id:
                raise gone_problem(served_index, generation) from error
            return latest, _search(served_index, body, image, latest)
        if isinstance(error, FilterError):
            raise HttpProblem(400, str(error), param="where") from error
        raise
    except EmbeddingsOrchError:
        if body.id is not None:
            read_row(served_index, generation, body.id, ["id"])  # 404 where it is not there
        raise


def _search(served_index: ServedIndex, body: SearchRequest, image: bytes | None, generation: Generation) -> Results:
    options = body.model_dump(exclude={"index", "pipeline", "image", "text", "generation"})
    # Bytes, never a text: that would be taken as a path.
    return served_index.index.search(body.text, image=image, generation=generation, **options)


def _kind(body: SearchRequest) -> str:
    if body.hybrid or body.alpha is not None or (body.keyword is not None and _query(body) is not None):
        return "hybrid"
    return _query(body) or "keyword"


def _query(body: SearchRequest) -> str | None:
    return next((name for name in ("text", "image", "vector", "id") if getattr(body, name) is not None), None)
