"""Embedders as Dagster resources: typed settings, and vectors of a user's own texts and images.

A plugin derives its resource from its own config, so that types, checks and ``EnvVar`` all work:

Example:
    >>> class OpenClipResource(EmbedderResource, OpenClipConfig):  # doctest: +SKIP
    ...     '''A CLIP model of open_clip.'''
    >>> @dg.asset  # doctest: +SKIP
    ... def slogans(clip: OpenClipResource) -> None:
    ...     vectors = clip.embed_texts(["a dog", "a cat"])
"""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
from pydantic import PrivateAttr

from embeddings_orch.embed_step import EmbedStep
from embeddings_orch.embedder import EmbedderConfig, Item, Modality, Side, Vectors, config_from
from embeddings_orch.errors import ItemError
from embeddings_orch.fingerprint import operational
from embeddings_orch.outcome import Failure, Outcome, Prepared
from embeddings_orch.packing import Packer
from embeddings_orch.prices import Prices
from embeddings_orch.retry import RetryPolicy

if TYPE_CHECKING:
    from PIL.Image import Image

LISTED_FAILURES = 5
PNG_MODES = frozenset({"1", "L", "LA", "I;16", "P", "RGB", "RGBA"})


class RetryConfig(dg.Config, RetryPolicy):
    """The retry policy as Dagster config (a plain model nested in a resource is refused)."""


class PricesConfig(dg.Config, Prices):
    """The prices as Dagster config."""


class ResourceConfig(EmbedderConfig):
    """The fields that differ in a resource.

    They stand here because mypy derives the parameters of a Dagster class that has fields of its own from those
    fields alone, and would refuse the inherited ones.
    """

    retry: RetryConfig = operational(RetryConfig(), description="How often and how patiently to try again.")
    prices: PricesConfig = operational(PricesConfig(), description="US dollars, for estimates and max_cost_usd.")

    _step: EmbedStep | None = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=threading.RLock)


class EmbedderResource(dg.ConfigurableResource[Any], ResourceConfig):
    """Base of the plugins' resources: embeds through the same step as the pipelines do.

    Retries, batches, halving for lack of memory and normalising are the pipeline's own, so a vector from here
    equals the pipeline's for the same content and settings. The model loads with the first batch and is
    released when the run or step ends.
    """

    def embed_texts(self, texts: Sequence[str], side: Side = "document") -> Vectors:
        """Vectors of texts, shape (n, dimensions), float32, in order.

        Args:
            texts: the texts.
            side: ``query`` for search terms, where the model tells the two apart.

        Raises:
            ItemError: some texts have no vector; the message names them.
            TerminalError: the model cannot be had, or the provider refuses.
        """
        return self._embed("text", [(text, f"text {index}") for index, text in enumerate(texts)], side)

    def embed_images(self, images: Sequence[str | Path | bytes | Image | np.ndarray[Any, Any]]) -> Vectors:
        """Vectors of images, shape (n, dimensions), float32, in order.

        Args:
            images: paths, encoded files' bytes, Pillow images, or uint8 arrays (height, width[, channels]).

        Raises:
            ItemError: some images have no vector; the message names them.
            TerminalError: the model cannot be had, or the provider refuses.
            OSError: a path cannot be read.
        """
        return self._embed("image", (_image(image, index) for index, image in enumerate(images)), "document")

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Release the model at the end of the run or step."""
        if self._step is not None:
            self._step.close()
            self._step = None

    def _embed(self, modality: Modality, contents: Any, side: Side) -> Vectors:
        vectors: list[Vectors] = []
        failures: list[Failure] = []
        with self._lock:
            step = self._embed_step()
            step.side = side
            try:
                for outcome in _outcomes(step, _batches(step, modality, contents, failures)):
                    vectors += outcome.vectors
                    failures += outcome.failures
            except BaseException:
                # The next call starts anew: a key may have been set right by then.
                step.close()
                self._step = None
                raise
            dimensions = step.embedder.dimensions()
        if failures:
            raise ItemError(_message(modality, failures))
        return np.stack(vectors) if vectors else np.empty((0, dimensions or 0), dtype=np.float32)

    def _embed_step(self) -> EmbedStep:
        if self._step is None:
            # The plain config: what Dagster adds to a resource stays out of the step, which may be pickled.
            self._step = EmbedStep(config_from(self.provider, self.settings()))
        return self._step


def _batches(step: EmbedStep, modality: Modality, contents: Any, failures: list[Failure]) -> Iterator[list[Prepared]]:
    packer: Packer[Prepared] = Packer(step.limits(modality))
    for index, (content, uri) in enumerate(contents):
        prepared = step.prepare(Item(str(index), modality, content, uri))
        if isinstance(prepared, Failure):
            failures.append(prepared)
        else:
            yield from packer.add(prepared)
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
            step.cancel()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _image(image: Any, index: int) -> tuple[bytes, str]:
    """An image as the bytes of a file, and what to call it in messages."""
    if isinstance(image, bytes):
        return image, f"image {index}"
    if isinstance(image, str | Path):
        return Path(image).read_bytes(), str(image)
    return _encoded(image, index), f"image {index}"


def _encoded(image: Any, index: int) -> bytes:
    # As a file, so that a picture in memory passes the same decoder as one on disk, and has a content hash.
    from PIL import Image, ImageOps

    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    if not isinstance(image, Image.Image):
        kind = type(image).__name__
        raise TypeError(f"image {index} is {kind}, not a path, bytes, a Pillow image or an array")
    upright = ImageOps.exif_transpose(image)
    buffer = io.BytesIO()
    # Lossless in either case; TIFF takes the modes (CMYK, float) that PNG does not.
    upright.save(buffer, "PNG" if upright.mode in PNG_MODES else "TIFF", compress_level=1)
    return buffer.getvalue()


def _message(modality: Modality, failures: list[Failure]) -> str:
    listed = "; ".join(f"{failure.uri}: {failure.reason}" for failure in failures[:LISTED_FAILURES])
    more = f"; and {len(failures) - LISTED_FAILURES} more" if len(failures) > LISTED_FAILURES else ""
    return f"{len(failures)} of the {modality}s have no vector: {listed}{more}"
