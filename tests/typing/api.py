"""The public API as a user's type checker sees it; mypy reads this file, nothing runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar, assert_type

import dagster as dg
import numpy as np
import pyarrow as pa
from fastapi import FastAPI
from numpy.typing import NDArray
from pydantic import BaseModel

from embeddings_orch import (
    EmbeddingPipeline,
    EmbeddingsOrchError,
    Index,
    Pipeline,
    PipelineSpec,
    Store,
    build_pipeline,
    compare,
)
from embeddings_orch.embedding.runners import Content, EmbedStep, Outcome, Prepared, Read, Runner
from embeddings_orch.lancedb import PublishedTable, open_table
from embeddings_orch.media import CATALOG_SCHEMA, Scan, Source, SourceConfig
from embeddings_orch.models import (
    Batch,
    Embedder,
    EmbedderConfig,
    EmbedResult,
    Failure,
    Item,
    ItemError,
    Modality,
    ProviderError,
    RetryPolicy,
    TransientError,
    config_from,
    embedder_for,
    identity,
    operational,
)
from embeddings_orch.policy.retry import Attempts, Retrier
from embeddings_orch.search import Hit, Results
from embeddings_orch.server import ServeSettings
from embeddings_orch.server.app import create_app
from embeddings_orch.server.shared.served import Served
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch_testing.conformance import EmbedderConformance

# Declaring a pipeline

spec = PipelineSpec.model_validate({"name": "photos", "media": {"path": "photos"}, "embeddings": {}})
assert_type(spec.name, str)
assert_type(spec.indexes["found"].vectors, tuple[str, ...])
assert_type(spec.embeddings["clip"].config, EmbedderConfig)
assert_type(spec.embeddings["clip"].config.fingerprint(), str)
assert_type(build_pipeline(spec), dg.Definitions)
assert_type(Pipeline(spec).embedding_key("clip"), AssetKey)
assert_type(EmbeddingPipeline(spec).spec, PipelineSpec)

spec.name = "other"  # type: ignore[misc]  # specs are frozen

# Searching

index = Index(Store(".embeddings_orch"), "photos", "found")
results = index.search("a dog", limit=3, where="caption IS NOT NULL")
assert_type(results, Results)
assert_type(results.hits, list[Hit])
assert_type(results.hits[0].score, float)
index.search(image=Path("dog.png"))
index.search(image=b"bytes")
index.search(vector=[0.1, 0.2])
index.search(id="dog.png", weights={"clip": 0.7, "words": 0.3}, where="width > :w", params={"w": 64})
index.search("a dog", hybrid=True, alpha=0.5, fusion="rrf", offset=10)
index.search("a dog", fusion="best")  # type: ignore[arg-type]
assert_type(Index.open("found", file="defs.yaml"), Index)
assert_type([hit.distance for hit in results], list[float | None])


class Caption(BaseModel):
    """What a program wants of a hit."""

    caption: str


async def asked() -> Results:
    """Without waiting."""
    await index.asearch("a dog", limits=3)  # type: ignore[call-arg]
    return await index.asearch("a dog", limit=3, keyword="dog")


assert_type(results.to_pydantic(Caption), list[Caption])
index.search(text=3)  # type: ignore[arg-type]

assert_type(open_table(".embeddings_orch", "found", pipeline="photos"), PublishedTable)
assert_type(create_app(Served([spec]), ServeSettings(port=0, api_key_env="SEARCH_KEY")), FastAPI)
ServeSettings(ports=1)  # type: ignore[call-arg]

# Writing an embedder


class LengthConfig(EmbedderConfig):
    """Settings of an embedder by length."""

    provider: ClassVar[str] = "length"

    unit: str = identity("characters", description="What is counted.")
    timeout: float = operational(10.0, gt=0, description="Seconds.")


class LengthEmbedder(Embedder[LengthConfig]):
    """Embeds a text by its length."""

    config_class = LengthConfig
    modalities: frozenset[Modality] = frozenset({"text"})

    def dimensions(self) -> int:
        """Two."""
        return 2

    def prepare(self, item: Item) -> str:
        """The text in small letters."""
        if isinstance(item.content, bytes):
            raise ItemError("not a text")
        return item.content.lower()

    def embed(self, batch: Batch) -> EmbedResult:
        """Length and one."""
        assert_type(self.config, LengthConfig)
        assert_type(self.config.timeout, float)
        vectors = np.array([[len(text), 1.0] for text in batch.contents], dtype=np.float32)
        return EmbedResult(vectors, tokens=len(batch))

    def classify(self, error: Exception) -> ProviderError:
        """Timeouts come and go."""
        return TransientError(str(error), retry_after=1.0)


class TestLength(EmbedderConformance):
    """The promises of the embedder above."""

    tolerance = 1e-6
    variations: ClassVar[dict[str, list[str]]] = {"unit": ["words"]}

    def make_config(self) -> LengthConfig:
        """As by default."""
        return LengthConfig(batch_size=2, retry=RetryPolicy(max_retries=3))


LengthConfig(batch_sizes=3)  # type: ignore[call-arg]

# Embedding by hand

step = EmbedStep(LengthConfig(), side="query")
prepared = step.prepare(Item(b"key", "text", "a text"))
assert_type(prepared, Prepared | Failure)
if isinstance(prepared, Prepared):
    outcome = step([prepared])
    assert_type(outcome, Outcome)
    vectors: list[NDArray[np.float32]] = outcome.vectors
embedder_for(config_from("length", {"unit": "words"})).close()
EmbedStep(LengthConfig(), side="both")  # type: ignore[arg-type]

# Writing a source


class EmptyConfig(SourceConfig):
    """Settings of a source without media."""

    source: ClassVar[str] = "empty"


class EmptySource(Source[EmptyConfig]):
    """Has no media."""

    config_class = EmptyConfig

    def scan(self, previous: pa.Table | None, progress: Callable[[int], None] = lambda _: None) -> Scan:
        """Nothing."""
        assert_type(self.config, EmptyConfig)
        return Scan(CATALOG_SCHEMA.empty_table())

    def read(self, uri: str) -> bytes:
        """No item has a URI."""
        raise FileNotFoundError(uri)


# Writing a runner


class OneByOne(Runner):
    """Carries a content at a time."""

    def run(
        self,
        step: EmbedStep,
        contents: Iterable[Content],
        read: Read,
        commit: Callable[[Outcome], None],
        *,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Read, prepare, embed, commit."""
        for content in contents:
            ready = step.prepare(read(content))
            if isinstance(ready, Prepared):
                commit(step([ready]))
            progress(1)


# Comparing

assert_type(compare(LengthConfig(), Path("dog.png"), ["a dog", "a cat"]), NDArray[np.float32])
assert_type(compare(step, "a dog", "a cat", subject_type="text"), NDArray[np.float32])
compare(step, "a dog", "a cat", subject_type="sound")  # type: ignore[arg-type]


def number() -> int:
    """Seven."""
    return 7


assert_type(Retrier(RetryPolicy()).call(number, Attempts()), int)


def handle(error: EmbeddingsOrchError) -> str:
    """Every error of the package is of one class."""
    return str(error)


handle(ItemError("an item"))
