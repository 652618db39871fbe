"""Vectors of a user's own texts, pictures and sounds: in memory, from files, in order, outside of any pipeline."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from embeddings_orch.embedding.outcome import Outcome, Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import ItemError
from embeddings_orch.models.content import Failure, Item, Modality, Side, Vectors
from embeddings_orch.policy.packing import Packer

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture: TypeAlias = str | Path | bytes | Image | np.ndarray[Any, Any]
    Content: TypeAlias = Picture
else:
    Picture = Content = Any

LISTED_FAILURES = 5
PNG_MODES = frozenset({"1", "L", "LA", "I;16", "P", "RGB", "RGBA"})
NAMES: dict[Modality, str] = {"audio": "sound"}
"""What messages call a content, where that is not its modality."""


def vectors_of(step: EmbedStep, modality: Modality, contents: Iterable[Content], side: Side = "document") -> Vectors:
    """Vectors of texts, pictures or sounds, shape (n, dimensions), float32, in order.

    Args:
        step: embeds them.
        modality: ``text``, ``image`` or ``audio``.
        contents: texts; or pictures: paths, encoded files' bytes, Pillow images, uint8 arrays of shape
            (height, width[, channels]); or sounds: paths, encoded files' bytes.
        side: ``query`` for search terms, where the model tells the two apart.

    Raises:
        ItemError: some contents have no vector; the message names them.
        TerminalError: the model cannot be had, or the provider refuses.
        TypeError: a picture or sound is none of these.
        OSError: a path cannot be read.
    """
    vectors, failures = vectors_by_place(step, modality, _name_contents(modality, contents), side)
    if failures:
        raise ItemError(failures_message(modality, failures))
    if not vectors:
        return np.empty((0, step.embedder.dimensions() or 0), dtype=np.float32)
    return np.stack(list(vectors.values()))


def vectors_by_place(
    step: EmbedStep, modality: Modality, contents: Iterable[tuple[bytes | str, str]], side: Side = "document"
) -> tuple[dict[int, Vectors], list[Failure]]:
    """Vectors of the contents that can be embedded, and why the others cannot.

    Args:
        step: embeds them.
        modality: of all contents.
        contents: each as a model is given it, and what to call it in messages; read as they are needed.
        side: what the contents are.

    Returns:
        The vectors by the contents' places, in order, shape (dimensions,) each; the failures, whose keys are places.

    Raises:
        TerminalError: the model cannot be had, or the provider refuses.
    """
    vectors: dict[int, Vectors] = {}
    failures: list[Failure] = []
    for outcome in _outcomes(step, _batches(step, modality, contents, side, failures=failures)):
        vectors.update((int(key), vector) for key, vector in zip(outcome.keys, outcome.vectors, strict=True))
        failures += outcome.failures
    return vectors, failures


def _name_contents(modality: Modality, contents: Iterable[Any]) -> Iterator[tuple[bytes | str, str]]:
    """Each content as a model is given it, and what to call it in messages."""
    for index, content in enumerate(contents):
        name = f"{_article_for(modality)} {index}"
        yield (content, name) if modality == "text" else _file(modality, content, name)


def _batches(
    step: EmbedStep, modality: Modality, contents: Any, side: Side, *, failures: list[Failure]
) -> Iterator[list[Prepared]]:
    packer: Packer[Prepared] = Packer(step.limits(modality))
    for index, (content, uri) in enumerate(contents):
        prepared = step.prepare(Item(b"%d" % index, modality, content, uri))
        if isinstance(prepared, Failure):
            failures.append(prepared)
        else:
            yield from packer.add(replace(prepared, side=side))
    if rest := packer.rest():
        yield rest


def _outcomes(step: EmbedStep, batches: Iterator[list[Prepared]]) -> Iterator[Outcome]:
    """The outcomes of batches, in order, as many of them under way as the config allows."""
    concurrency = step.config.concurrency
    with ThreadPoolExecutor(concurrency, "embed") as pool:
        running: deque[Future[Outcome]] = deque()
        try:
            for batch in batches:
                running.append(pool.submit(step, batch))
                if len(running) > concurrency:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        except BaseException:
            if running:  # else the step can be used again, after a path that was wrong for one
                step.cancel()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _file(modality: Modality, content: Any, name: str) -> tuple[bytes, str]:
    """A content as the bytes of a file, and what to call it in messages."""
    if isinstance(content, bytes):
        return content, name
    if isinstance(content, str | Path):
        return Path(content).read_bytes(), str(content)
    if modality != "image":
        raise TypeError(f"{name} is {type(content).__name__}, not a path or bytes")
    return encode_image(content, name), name


def encode_image(image: Any, name: str) -> bytes:
    """A Pillow image or an array as the bytes of a file, upright.

    Raises:
        TypeError: it is neither; the message calls it by ``name``.
    """
    # As a file, so that a picture in memory passes the same decoder as one on disk, and has a content hash.
    from PIL import Image, ImageOps

    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    if not isinstance(image, Image.Image):
        raise TypeError(f"{name} is {type(image).__name__}, not a path, bytes, a Pillow image or an array")
    upright = ImageOps.exif_transpose(image)
    buffer = io.BytesIO()
    # Lossless in either case; TIFF takes the modes (CMYK, float) that PNG does not.
    upright.save(buffer, "PNG" if upright.mode in PNG_MODES else "TIFF", compress_level=1)
    return buffer.getvalue()


def _article_for(modality: Modality) -> str:
    return NAMES.get(modality, modality)


def failures_message(modality: Modality, failures: list[Failure]) -> str:
    """What an error says of contents without a vector; names the first of them."""
    listed = "; ".join(f"{failure.uri}: {failure.reason}" for failure in failures[:LISTED_FAILURES])
    more = f"; and {len(failures) - LISTED_FAILURES} more" if len(failures) > LISTED_FAILURES else ""
    return f"{len(failures)} of the {_article_for(modality)}s have no vector: {listed}{more}"
