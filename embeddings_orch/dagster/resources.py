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

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import BaseModel, PrivateAttr

from embeddings_orch.embedding.compare import CompareType, compare
from embeddings_orch.embedding.contents import Content, Picture, vectors_of
from embeddings_orch.embedding.pool.pool import Lease, shared_pool
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.base import EmbedderConfig, config_from
from embeddings_orch.models.content import Modality, Side, Vectors
from embeddings_orch.models.identity import operational
from embeddings_orch.policy.prices import Prices
from embeddings_orch.policy.retry import RetryPolicy


class RetryConfig(dg.Config, RetryPolicy):
    """The retry policy as Dagster config (a plain model nested in a resource is refused)."""


class PricesConfig(dg.Config, Prices):
    """The prices as Dagster config."""


if TYPE_CHECKING:
    _Config = EmbedderConfig
else:
    # With all fields of a config, this base would put their defaults over those of the plugin's config.
    _Config = BaseModel


class ResourceConfig(_Config):
    """The fields that differ in a resource.

    They stand here because mypy derives the parameters of a Dagster class that has fields of its own from those
    fields alone, and would refuse the inherited ones.
    """

    retry: RetryConfig = operational(RetryConfig(), description="How often and how patiently to try again.")
    prices: PricesConfig = operational(PricesConfig(), description="US dollars, for estimates and max_cost_usd.")

    _lease: Lease = PrivateAttr(default_factory=lambda: shared_pool().lease())


class EmbedderResource(dg.ConfigurableResource[Any], ResourceConfig):
    """Base of the plugins' resources: embeds through the same step as the pipelines do.

    Retries, batches, halving for lack of memory and normalising are the pipeline's own, so a vector from here
    equals the pipeline's for the same content and settings. The model loads with the first batch and is
    released when the run or step ends, unless somebody else in the process has it.
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
        return self._embed("text", texts, side)

    def embed_images(self, images: Sequence[Picture]) -> Vectors:
        """Vectors of images, shape (n, dimensions), float32, in order.

        Args:
            images: paths, encoded files' bytes, Pillow images, or uint8 arrays (height, width[, channels]).

        Raises:
            ItemError: some images have no vector; the message names them.
            TerminalError: the model cannot be had, or the provider refuses.
            OSError: a path cannot be read.
        """
        return self._embed("image", images, "document")

    def compare(
        self,
        image: Content,
        texts: Content | Sequence[Content],
        *,
        subject_type: CompareType = "image",
        prompt_type: CompareType = "text",
    ) -> Vectors:
        """Cosine similarities of a picture and texts, shape (n,); see `embeddings_orch.embedding.compare.compare`.

        Args:
            image: the subject: a path, an encoded file's bytes, a Pillow image, an array; or a text.
            texts: the prompts, or one of them: texts, or pictures.
            subject_type: ``image`` or ``text``.
            prompt_type: ``image`` or ``text``.

        Raises:
            ItemError: something has no vector; the message names it.
            TerminalError: the model cannot be had, does not read what was given, or the provider refuses.
        """
        with self._bulk() as step:
            return compare(step, image, texts, subject_type=subject_type, prompt_type=prompt_type)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Release the model at the end of the run or step."""
        self._lease.close()

    def _embed(self, modality: Modality, contents: Any, side: Side) -> Vectors:
        with self._bulk() as step:
            return vectors_of(step, modality, contents, side)

    @contextmanager
    def _bulk(self) -> Iterator[EmbedStep]:
        # The plain config: what Dagster adds to a resource stays out of the step, which may be pickled.
        with self._lease.holding(config_from(self.provider, self.settings())) as model, model.bulk() as step:
            yield step
