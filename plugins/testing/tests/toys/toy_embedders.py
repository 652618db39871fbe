"""One sound embedder, and others that break one promise each."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any, ClassVar

import numpy as np
from pydantic import ConfigDict, Field

from embeddings_orch.errors import TerminalError
from embeddings_orch.models.base import Embedder, EmbedderConfig, EmbedResult
from embeddings_orch.models.identity import identity, operational


class SoundConfig(EmbedderConfig):
    provider: ClassVar[str] = "toy-sound"

    name: str = identity("toy", description="Another name makes other vectors.")
    dim: int = identity(8, ge=2, description="Length.")
    url: str = operational("http://localhost", description="Where.")


class Sound(Embedder[SoundConfig]):
    config_class: ClassVar[type[EmbedderConfig]] = SoundConfig
    modalities = frozenset({"text"})

    def dimensions(self):
        return self.config.dim

    def seed(self):
        return self.config.name

    def embed(self, batch):
        return EmbedResult(np.stack([self.vector(content) for content in batch.contents]))

    def vector(self, content):
        seed = hashlib.sha256(f"{self.seed()}\0{content!r}".encode()).digest()
        numbers = np.random.default_rng(int.from_bytes(seed[:8], "big"))
        return numbers.standard_normal(self.config.dim).astype(np.float32)


class ShufflesConfig(SoundConfig):
    provider: ClassVar[str] = "toy-shuffles"


class Shuffles(Sound):
    config_class = ShufflesConfig

    def embed(self, batch):
        return EmbedResult(super().embed(batch).vectors[::-1])


class DropsOneConfig(SoundConfig):
    provider: ClassVar[str] = "toy-drops-one"


class DropsOne(Sound):
    config_class = DropsOneConfig

    def embed(self, batch):
        vectors = super().embed(batch).vectors
        return EmbedResult(vectors[:-1] if len(vectors) > 3 else vectors)


class WrongLengthConfig(SoundConfig):
    provider: ClassVar[str] = "toy-wrong-length"


class WrongLength(Sound):
    config_class = WrongLengthConfig

    def dimensions(self):
        return self.config.dim + 1


class FollowsItsNeighboursConfig(SoundConfig):
    provider: ClassVar[str] = "toy-follows-its-neighbours"


class FollowsItsNeighbours(Sound):
    config_class = FollowsItsNeighboursConfig

    def embed(self, batch):
        vectors = super().embed(batch).vectors
        return EmbedResult(vectors + 0.01 * vectors.sum(axis=0))


class NeverTheSameConfig(SoundConfig):
    provider: ClassVar[str] = "toy-never-the-same"


class NeverTheSame(Sound):
    config_class = NeverTheSameConfig
    calls: ClassVar[itertools.count[int]] = itertools.count()

    def seed(self):
        return str(next(self.calls))


class AllTheSameConfig(SoundConfig):
    provider: ClassVar[str] = "toy-all-the-same"


class AllTheSame(Sound):
    config_class = AllTheSameConfig

    def vector(self, content):
        return np.ones(self.config.dim, dtype=np.float32)


class NotFiniteConfig(SoundConfig):
    provider: ClassVar[str] = "toy-not-finite"


class NotFinite(Sound):
    config_class = NotFiniteConfig

    def vector(self, content):
        return super().vector(content) * np.nan


class AsciiOnlyConfig(SoundConfig):
    provider: ClassVar[str] = "toy-ascii-only"


class AsciiOnly(Sound):
    config_class = AsciiOnlyConfig

    def vector(self, content):
        return super().vector(content.encode("ascii"))


class CountsWrongConfig(SoundConfig):
    provider: ClassVar[str] = "toy-counts-wrong"


class CountsWrong(Sound):
    config_class = CountsWrongConfig

    def embed(self, batch):
        return EmbedResult(super().embed(batch).vectors, tokens=-1)


class FailsWithItsBatchConfig(SoundConfig):
    provider: ClassVar[str] = "toy-fails-with-its-batch"


class FailsWithItsBatch(Sound):
    config_class = FailsWithItsBatchConfig

    def vector(self, content):
        if content == "bad":
            raise TerminalError("one of them is bad")
        return super().vector(content)


class TakesBadItemsConfig(SoundConfig):
    provider: ClassVar[str] = "toy-takes-bad-items"


class TakesBadItems(Sound):
    config_class = TakesBadItemsConfig


class ClosesForeverConfig(SoundConfig):
    provider: ClassVar[str] = "toy-closes-forever"


class ClosesForever(Sound):
    config_class = ClosesForeverConfig
    closed = False

    def close(self):
        self.closed = True

    def embed(self, batch):
        if self.closed:
            raise TerminalError("it is closed")
        return super().embed(batch)


class LetsErrorsThroughConfig(SoundConfig):
    provider: ClassVar[str] = "toy-lets-errors-through"


class LetsErrorsThrough(Sound):
    config_class = LetsErrorsThroughConfig

    def classify(self, error):
        return error


class QueriesDifferInLengthConfig(SoundConfig):
    provider: ClassVar[str] = "toy-queries-differ-in-length"


class QueriesDifferInLength(Sound):
    config_class = QueriesDifferInLengthConfig

    def dimensions(self):
        return None

    def embed(self, batch):
        vectors = super().embed(batch).vectors
        return EmbedResult(vectors[:, 1:] if batch.side == "query" else vectors)


class SaysOperationalConfig(SoundConfig):
    provider: ClassVar[str] = "toy-says-operational"

    name: str = operational("toy", description="It does change the vectors.")


class SaysOperational(Sound):
    config_class = SaysOperationalConfig


class ForgetsAFieldConfig(SoundConfig):
    provider: ClassVar[str] = "toy-forgets-a-field"

    def identity(self) -> dict[str, Any]:
        return {name: value for name, value in super().identity().items() if name != "dim"}


class ForgetsAField(Sound):
    config_class = ForgetsAFieldConfig


class CountsOperationalConfig(SoundConfig):
    provider: ClassVar[str] = "toy-counts-operational"

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "url": self.url}


class CountsOperational(Sound):
    config_class = CountsOperationalConfig


class FollowsTheHashSeedConfig(SoundConfig):
    provider: ClassVar[str] = "toy-follows-the-hash-seed"

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "order": list({"red", "green", "blue", "black", "white"})}


class FollowsTheHashSeed(Sound):
    config_class = FollowsTheHashSeedConfig


class SaysNoRoleConfig(SoundConfig):
    provider: ClassVar[str] = "toy-says-no-role"

    region: str = Field("eu", description="Who knows what it does?")


class SaysNoRole(Sound):
    config_class = SaysNoRoleConfig


class TakesAnyKeyConfig(SoundConfig):
    provider: ClassVar[str] = "toy-takes-any-key"
    model_config = ConfigDict(extra="ignore")


class TakesAnyKey(Sound):
    config_class = TakesAnyKeyConfig


class CanBeChangedConfig(SoundConfig):
    provider: ClassVar[str] = "toy-can-be-changed"
    model_config = ConfigDict(frozen=False)


class CanBeChanged(Sound):
    config_class = CanBeChangedConfig


class LosesSettingsConfig(SoundConfig):
    provider: ClassVar[str] = "toy-loses-settings"

    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in super().settings().items() if name != "name"}


class LosesSettings(Sound):
    config_class = LosesSettingsConfig


class OfAnotherNameConfig(SoundConfig):
    provider: ClassVar[str] = "toy-sound"


class OfAnotherName(Sound):
    config_class = OfAnotherNameConfig


ALL = [thing for thing in list(globals().values()) if isinstance(thing, type) and issubclass(thing, Sound)]
