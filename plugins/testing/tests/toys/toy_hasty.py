"""An embedder whose module imports its SDK."""

from __future__ import annotations

from typing import ClassVar

import toy_sdk  # noqa: F401
from toy_embedders import Sound, SoundConfig


class HastyConfig(SoundConfig):
    provider: ClassVar[str] = "toy-hasty"


class Hasty(Sound):
    config_class = HastyConfig
