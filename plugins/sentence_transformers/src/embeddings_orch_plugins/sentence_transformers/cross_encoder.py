"""Cross-encoders of sentence-transformers, which read a query and a text together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from embeddings_orch.models import DEVICE, Reranker, RerankerConfig, TerminalError, resolve_device, short_reason
from embeddings_orch_plugins.sentence_transformers import names

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class CrossEncoderConfig(RerankerConfig):
    """Settings of a cross-encoder.

    Example:
        >>> CrossEncoderConfig(name="BAAI/bge-reranker-base").device
        'auto'
    """

    name: str = Field(
        "cross-encoder/ms-marco-MiniLM-L6-v2", description="A hub name, ./FOLDER, or package:PACKAGE/FOLDER."
    )
    revision: str | None = Field(None, description="Branch, tag or commit of a hub repository.")
    max_length: int | None = Field(None, ge=8, description="Tokens of query and text; default the model's.")
    batch_size: int = Field(32, ge=1, description="Pairs per forward pass.")
    device: str = Field("auto", description="auto (cuda, else mps, else cpu), or a torch device: cpu, cuda:1.")
    trust_remote_code: bool = Field(False, description="Let code in the model's repository run here.")
    cache_dir: str | None = Field(None, description="Where downloaded models are kept.")

    @field_validator("name")
    @classmethod
    def _check_form(cls, value: str) -> str:
        names.check_name(value)
        return value

    @field_validator("device")
    @classmethod
    def _check_device(cls, value: str) -> str:
        if not DEVICE.fullmatch(value):
            raise ValueError(f"there is no device {value!r}; allowed: auto, cpu, mps, cuda, cuda:N")
        return value


class CrossEncoderReranker(Reranker[CrossEncoderConfig]):
    """Scores pairs with one model, which it loads on first use; one call after the other."""

    config_class: ClassVar[type[RerankerConfig]] = CrossEncoderConfig

    def __init__(self, config: CrossEncoderConfig) -> None:
        super().__init__(config)
        self._lock = threading.Lock()
        self._model: CrossEncoder | None = None

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the model gives them: of most, a sigmoid's value from 0 to 1.

        Raises:
            TerminalError: the model cannot be had, or is none that gives one score a pair.
        """
        with self._lock:
            if self._model is None:
                self._model = _load(self.config)
            try:
                pairs: Any = [(query, text) for text in texts]
                scores = self._model.predict(pairs, batch_size=self.config.batch_size, show_progress_bar=False)
            except Exception as error:
                raise TerminalError(f"the cross-encoder {self.config.name!r} failed: {short_reason(error)}") from error
        return np.asarray(scores, dtype=np.float32)

    def close(self) -> None:
        """Release the model."""
        with self._lock:
            self._model = None


def _load(config: CrossEncoderConfig) -> CrossEncoder:
    from embeddings_orch_plugins.sentence_transformers import model
    from sentence_transformers import CrossEncoder

    folder = names.folder_of(config.name)
    unreachable = "" if folder else model.unreachable_hub(config.name, config.revision)
    try:
        with model.without_bars() if folder else nullcontext():
            loaded = CrossEncoder(
                str(folder.expanduser() if folder else config.name),
                device=str(resolve_device(config.device)),
                revision=config.revision,
                cache_folder=config.cache_dir,
                trust_remote_code=config.trust_remote_code,
                # The library asks the hub even where the model itself is a folder.
                local_files_only=folder is not None or bool(unreachable),
                max_length=config.max_length,
            )
    except Exception as error:
        raise TerminalError(
            f"cannot load the cross-encoder {config.name!r}: {unreachable or short_reason(error)}"
        ) from error
    if loaded.num_labels != 1:
        raise TerminalError(f"{config.name!r} gives {loaded.num_labels} scores a pair; a reranker's model gives one")
    return loaded
