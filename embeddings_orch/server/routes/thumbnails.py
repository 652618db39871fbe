"""Thumbnails by item id: the picture that the published generation knows, and nothing that a request names."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated

from fastapi import APIRouter, Query, Request
from PIL import features
from starlette.responses import Response

from embeddings_orch.errors import EmbeddingsOrchError, ItemError
from embeddings_orch.media.decoding.pictures import decode_image
from embeddings_orch.models.content import content_hash
from embeddings_orch.server.gate.limits import ItemId, ShortName
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.item_paths import AT_END
from embeddings_orch.server.shared.rows import ItemFile
from embeddings_orch.server.shared.served import ServedIndex
from embeddings_orch.server.shared.state import state

router = APIRouter(tags=["indexes"])

_PATH = "/v1/indexes/{pipeline}/{index}/thumbnails"
SIZES = (64, 96, 128, 192, 256, 384, 512)
_MAX_FILE = 64 * 2**20
_EXACT = 96
_FORMAT = "WEBP" if features.check_module("webp") else "PNG"


@router.get(_PATH, summary="A small picture of an item, by the parameter id")
@router.get(_PATH + AT_END, summary="A small picture of an item")
async def thumbnail(
    request: Request,
    *,
    pipeline: ShortName,
    index: ShortName,
    id: ItemId,
    size: Annotated[int, Query(ge=1, le=SIZES[-1])] = 192,
    generation: ShortName | None = None,
) -> Response:
    """A WebP that fits into `size` x `size` pixels, rounded up to 64, 96, 128, 192, 256, 384 or 512.

    404 where the item is no picture, or its file is no longer the one that was indexed.
    """
    app_state = state(request)
    side = next(rounded for rounded in SIZES if rounded >= size)
    served_index = app_state.served.index(index, pipeline)

    def find() -> ItemFile:
        return app_state.rows.place(served_index, served_index.generation(generation), id)

    place = await app_state.lanes.light(find)
    headers = {
        "ETag": f'"{place.content_hash[:32]}-{side}"',
        # What an id shows in one generation stays; the published one may be another in a minute.
        "Cache-Control": f"private, max-age={60 if generation is None else 86400}",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    key = (place.content_hash, side)
    data = app_state.thumbnails.get(key)
    result = "kept"
    if data is None:
        try:
            data = await app_state.lanes.pictures(
                lambda: app_state.thumbnails.get_or_make(key, lambda: _make_thumbnail(served_index, place, id, side))
            )
            result = "made"
        except HttpProblem:
            app_state.metrics.thumbnails.labels("none").inc()
            raise
        app_state.metrics.thumbnail_bytes.set(app_state.thumbnails.size)
    app_state.metrics.thumbnails.labels(result).inc()
    return Response(data, media_type=f"image/{_FORMAT.lower()}", headers=headers)


def _make_thumbnail(served_index: ServedIndex, place: ItemFile, item: str, side: int) -> bytes:
    """The encoded thumbnail.

    Raises:
        HttpProblem: 404, there is no picture to show.
    """
    if place.modality != "image":
        raise HttpProblem(404, f"{item} is {place.modality} and has no picture")
    if place.size is not None and place.size > _MAX_FILE:
        raise HttpProblem(404, f"{item} has {place.size:,} bytes; thumbnails are made of up to {_MAX_FILE:,}")
    try:
        data = served_index.source.read(place.uri)
    except (OSError, EmbeddingsOrchError) as error:
        # Not its text: it may name the server's folders.
        raise HttpProblem(404, f"the file of {item} cannot be read any more ({type(error).__name__})") from error
    if content_hash(data) != place.content_hash:
        raise HttpProblem(404, f"the file of {item} has changed since it was indexed; the next run picks it up")
    try:
        picture = decode_image(data, min_side=side)
    except ItemError as error:
        raise HttpProblem(404, f"{item} cannot be shown: {error}") from error
    picture.thumbnail((side, side))
    encoded = BytesIO()
    # Small ones are drawings as a rule, which quality 80 spoils, and have few bytes anyway.
    options = {"lossless": True} if max(picture.size) <= _EXACT else {"quality": 80}
    picture.save(encoded, _FORMAT, **({**options, "method": 4} if _FORMAT == "WEBP" else {}))
    return encoded.getvalue()
