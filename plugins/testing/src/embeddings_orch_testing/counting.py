"""A provider without a model: vectors follow from the content's hash; calls are counted, faults on demand."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from embeddings_orch.errors import ItemError, TerminalError, TransientError
from embeddings_orch.models.base import Batch, Embedder, EmbedderConfig, EmbedResult
from embeddings_orch.models.content import Item, Modality
from embeddings_orch.models.identity import identity, operational


class CountingConfig(EmbedderConfig):
    """Settings of the counting provider."""

    provider: ClassVar[str] = "counting"

    name: str = identity("counting", description="Another name makes other vectors.")
    dim: int = identity(8, ge=2, le=65_536, description="Length of the vectors.")
    log: str = operational("", description="A file that gets a line for each call: modality and number of items.")
    delay: float = operational(0.0, ge=0, description="Seconds that each call takes.")
    reject: str = operational("", description="Contents that hold this text are item errors.")
    flaky: int = operational(0, ge=0, description="So many calls fail as transient before the first success.")
    broken: bool = operational(False, description="Every call is a terminal error.")
    decode: bool = operational(False, description="Decode pictures first, as a model would.")


class CountingEmbedder(Embedder[CountingConfig]):
    """Deterministic and instant; the same content has the same vector everywhere."""

    config_class: ClassVar[type[EmbedderConfig]] = CountingConfig
    modalities: frozenset[Modality] = frozenset({"image", "text", "audio"})
    calls: ClassVar[list[int]] = []
    """Items of each call in this process, of all instances."""

    def __init__(self, config: CountingConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__(config)
        self._sleep = sleep
        self._failed = 0

    def dimensions(self) -> int:
        """As configured."""
        return self.config.dim

    def prepare(self, item: Item) -> Any:
        """Decode pictures where the config asks for it, so that bad ones fail as they would with a model."""
        if self.config.decode and item.modality == "image":
            from embeddings_orch.media.decoding.pictures import decode_image

            assert isinstance(item.content, bytes)
            decode_image(item.content)
        return item.content

    def embed(self, batch: Batch) -> EmbedResult:
        """Vectors of standard normal numbers, seeded by name and content."""
        self.calls.append(len(batch))
        if self.config.log:
            # One write on an append-only descriptor: lines of several processes do not mix.
            descriptor = os.open(Path(self.config.log), os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
            os.write(descriptor, f"{batch.modality} {len(batch)}\n".encode())
            os.close(descriptor)
        if self.config.delay:
            self._sleep(self.config.delay)
        if self.config.broken:
            raise TerminalError("the counting provider is configured as broken")
        if self._failed < self.config.flaky:
            self._failed += 1
            raise TransientError(f"the counting provider fails {self.config.flaky} times first")
        contents = [item.encode() if isinstance(item, str) else bytes(item) for item in batch.contents]
        if self.config.reject and any(self.config.reject.encode() in content for content in contents):
            raise ItemError(f"an input holds {self.config.reject!r}")
        vectors = [self._vector(content) for content in contents]
        return EmbedResult(np.stack(vectors), tokens=sum(-(-len(content) // 4) for content in contents))

    def _vector(self, content: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
        seed = hashlib.sha256(self.config.name.encode() + b"\0" + content).digest()
        numbers = np.random.default_rng(int.from_bytes(seed[:8], "big"))
        return numbers.standard_normal(self.config.dim).astype(np.float32)
