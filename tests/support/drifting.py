"""A local model that a test lets drift, and one like it that is remote; installed as plugins, both in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from embeddings_orch.errors import ItemError, TerminalError
from embeddings_orch.models import (
    Batch,
    Embedder,
    EmbedderConfig,
    EmbedResult,
    LocalModelConfig,
    RemoteConfig,
    identity,
)
from plugin_sites import installed


class DriftingConfig(LocalModelConfig):
    provider: ClassVar[str] = "drifting"

    name: str = identity("drifting", description="Any.")


class DistantConfig(RemoteConfig):
    provider: ClassVar[str] = "distant"

    name: str = identity("distant", description="Any.")


class DriftingEmbedder(Embedder[Any]):
    """Makes vectors of 64 numbers from the contents' hashes.

    Attributes:
        asked: contents that it was given, each as what it was.
        drift: tangent of the angle by which all vectors are off.
        refused: contents that hold this cannot be embedded.
        broken: why it cannot be had, else empty.
    """

    config_class: ClassVar[type[EmbedderConfig]] = DriftingConfig
    modalities = frozenset({"image", "text", "audio"})
    asked: ClassVar[list[str]] = []
    drift: ClassVar[float] = 0.0
    refused: ClassVar[bytes] = b""
    broken: ClassVar[str] = ""

    def embed(self, batch: Batch) -> EmbedResult:
        if self.broken:
            raise TerminalError(self.broken)
        self.asked.extend([batch.modality] * len(batch))
        contents = [item.encode() if isinstance(item, str) else bytes(item) for item in batch.contents]
        if self.refused and any(self.refused in content for content in contents):
            raise ItemError("it cannot be decoded any more")
        return EmbedResult(np.stack([self._vector(content) for content in contents]))

    def _vector(self, content: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
        draw = np.random.default_rng(int.from_bytes(hashlib.sha256(content).digest()[:8], "big"))
        vector, other = (row / np.linalg.norm(row) for row in draw.standard_normal((2, 64)))
        across = other - (other @ vector) * vector
        return (vector + self.drift * across / np.linalg.norm(across)).astype(np.float32)


class DistantEmbedder(DriftingEmbedder):
    config_class: ClassVar[type[EmbedderConfig]] = DistantConfig


@pytest.fixture
def drifting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[DriftingEmbedder]]:
    """Has both models installed, and neither asked nor drifting."""
    monkeypatch.setattr(DriftingEmbedder, "asked", [])
    for attribute in ("drift", "refused", "broken"):
        monkeypatch.setattr(DriftingEmbedder, attribute, getattr(DriftingEmbedder, attribute))
    sites = tmp_path / "sites"
    code = "from drifting import {0}Embedder"
    with (
        installed(sites / "here", "embedders", "drifting", "DriftingEmbedder", code.format("Drifting")),
        installed(sites / "there", "embedders", "distant", "DistantEmbedder", code.format("Distant")),
    ):
        yield DriftingEmbedder
