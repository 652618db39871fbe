"""The interface of rerankers: models that read a query and a text together, and say how well one answers the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from embeddings_orch.errors import SpecError
from embeddings_orch.plugins import load


class RerankerConfig(BaseModel):
    """Base of a reranker's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


C = TypeVar("C", bound=RerankerConfig)


class Reranker(ABC, Generic[C]):
    """One model. A plugin registers the class in the group ``embeddings_orch.rerankers``.

    The module that defines it imports no SDK; the model is loaded by the first call of `scores`.

    Attributes:
        config_class: the model of its settings.
        modalities: what it reads beside the query.
    """

    config_class: ClassVar[type[RerankerConfig]]
    modalities: ClassVar[frozenset[str]] = frozenset({"text"})

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """How well each text answers a query, shape (n,), higher is better; may be called by several threads.

        Raises:
            ProviderError: the model cannot be had or does not answer.
        """

    def close(self) -> None:
        """Release the model; a later call loads it again."""


def reranker(plugin: str, /, **settings: Any) -> Reranker[Any]:
    """Make an installed reranker by its plugin's name.

    Raises:
        PluginError: there is none, or it is broken.
        SpecError: a setting is wrong.

    Example:
        >>> reranker("cross-encoder", name="cross-encoder/ms-marco-MiniLM-L6-v2")  # doctest: +SKIP
    """
    reranker_class = cast(type[Reranker[Any]], load("rerankers", plugin))
    try:
        return reranker_class(reranker_class.config_class(**settings))
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, detail['loc'])) or plugin}: {detail['msg']}" for detail in error.errors()
        )
        raise SpecError(f"the reranker {plugin!r} cannot be made: {reasons}") from error
