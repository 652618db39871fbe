"""The sentence-transformers embedder. Importing this module imports neither torch nor the library."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from embeddings_orch.models import (
    Batch,
    BatchTooLargeError,
    Embedder,
    EmbeddingsOrchError,
    EmbedResult,
    Item,
    Limits,
    Modality,
    ProviderError,
    Side,
    TerminalError,
    Vectors,
    classify_local_error,
    empty_cache,
    out_of_memory,
    precision_advice,
    resolve_device,
)
from embeddings_orch_plugins.sentence_transformers import files, names
from embeddings_orch_plugins.sentence_transformers.config import SentenceModelConfig, SentenceTransformersConfig
from embeddings_orch_plugins.sentence_transformers.pictures import bound_resizing, is_long

if TYPE_CHECKING:
    import torch

    from sentence_transformers import SentenceTransformer

SORTED_BATCHES = 32
"""Forward passes in one call of texts: sorted together by length, so that little padding is computed."""

SentenceConfigT = TypeVar("SentenceConfigT", bound=SentenceModelConfig)
ToldT = TypeVar("ToldT")


class SentenceModelEmbedder(Embedder[SentenceConfigT]):
    """Embeds with one model of the library, loaded once, when first needed, and used by one thread at a time."""

    kinds: ClassVar[tuple[str, ...]] = ("pytorch",)

    def __init__(self, config: SentenceConfigT) -> None:
        super().__init__(config)
        self._lock = threading.RLock()
        self._model: tuple[SentenceTransformer, torch.device] | None = None
        self._failure: TerminalError | None = None
        self._forward: dict[Modality, int] = {}  # items of a forward pass that fit into memory

    def _length(self) -> int | None:
        length = ask_files(self.config, files.dimensions)
        if length is None and (loaded := self._model) is not None:
            length = loaded[0].get_embedding_dimension()
        return length

    @abstractmethod
    def _load(self) -> tuple[SentenceTransformer, torch.device]:
        """Load the model.

        Raises:
            TerminalError: it cannot be had.
        """

    @abstractmethod
    def _encode(self, model: SentenceTransformer, inputs: list[Any], side: Side, size: int) -> Vectors:
        """The vectors of inputs, shape (n, dimensions), in order, with ``size`` items in a forward pass."""

    def limits(self, modality: Modality) -> Limits:
        """Several forward passes of texts in one call, one of pictures, which have no length to sort by."""
        passes = SORTED_BATCHES if modality == "text" else 1
        return Limits(items=passes * self.config.batch_size)

    def embed(self, batch: Batch) -> EmbedResult:
        """Embed one batch: vectors of shape (n, dimensions), as the model gives them.

        Texts longer than the model's maximal sequence length are cut there, as the library does.

        Raises:
            BatchTooLargeError: not even one item fits into memory.
            TerminalError: the model cannot be loaded.
        """
        with self._lock:
            model, device = self._get_model()
            inputs = _inputs(model, batch)
            size = min(self._forward.get(batch.modality, self.config.batch_size), max(1, len(inputs)))
            while True:
                try:
                    return EmbedResult(np.asarray(self._encode(model, inputs, batch.side, size), dtype=np.float32))
                except Exception as error:
                    if not out_of_memory(error):
                        raise
                    why = str(error).partition("\n")[0]
                # Here the error's traceback is gone, and with it what held the activations.
                empty_cache(device)
                if size == 1:
                    raise BatchTooLargeError(f"one item of {batch.modality} at a time did not fit: {why}")
                size = self._forward[batch.modality] = size // 2

    def classify(self, error: Exception) -> ProviderError:
        """See `embeddings_orch.models.classify_local_error`."""
        return classify_local_error(self.config.name, error)

    def close(self) -> None:
        """Free the model's memory; the next batch loads it again."""
        with self._lock:
            loaded, self._model, self._failure = self._model, None, None
        if loaded is not None:
            device = loaded[1]
            del loaded
            empty_cache(device)

    def advice(self) -> list[str]:
        """What would make this config faster or truer on this machine; loads torch, not the model."""
        if self.config.model_backend != "torch":
            return []
        return precision_advice(self.config.precision, resolve_device(self.config.device))

    def _get_model(self) -> tuple[SentenceTransformer, torch.device]:
        with self._lock:
            if self._failure is not None:
                raise TerminalError(str(self._failure))
            if self._model is None:
                try:
                    self._model = self._load()
                except TerminalError as error:
                    self._failure = error
                    raise
            return self._model


class SentenceTransformersEmbedder(SentenceModelEmbedder[SentenceTransformersConfig]):
    """Embeds texts, and pictures where the model reads them."""

    config_class = SentenceTransformersConfig

    @property
    def modalities(self) -> frozenset[Modality]:  # type: ignore[override]
        """What the model reads: from the files of a local model; a hub's model is loaded to tell.

        Raises:
            TerminalError: the model cannot be loaded.
        """
        if (known := ask_files(self.config, files.modalities)) is not None:
            return known
        model, _ = self._get_model()
        modalities = files.READ & {modality for modality in model.modalities if isinstance(modality, str)}
        if not modalities:
            reads = ", ".join(map(str, model.modalities))
            raise TerminalError(f"{self.config.name!r} reads {reads}; this plugin embeds texts and images")
        return frozenset(modalities)

    def dimensions(self) -> int | None:
        """The length of the vectors, from the files of a local model or from the loaded one, else None."""
        length, cut = self._length(), self.config.truncate_dim
        return length if length is None or cut is None else min(length, cut)

    def prepare(self, item: Item) -> Any:
        """A picture decoded to RGB, upright; a text as it is.

        Raises:
            ItemError: the picture cannot be decoded, or is so thin that the model would see too large a one.
            TerminalError: the picture is long and thin, and the model cannot be loaded.
        """
        if isinstance(item.content, str):
            return item.content
        from embeddings_orch.media import decode_image

        image = decode_image(item.content)
        return bound_resizing(image, self._get_model()[0]) if is_long(image) else image

    def _load(self) -> tuple[SentenceTransformer, torch.device]:
        from embeddings_orch_plugins.sentence_transformers.model import load

        model, device = load(self.config, self.config.truncate_dim)
        if self.config.prompt_name is not None and self.config.prompt_name not in model.prompts:
            known = ", ".join(sorted(model.prompts)) or "none"
            raise TerminalError(
                f"{self.config.name!r} has no prompt named {self.config.prompt_name!r}; its prompts: {known}"
            )
        return model, device

    def _encode(self, model: SentenceTransformer, inputs: list[Any], side: Side, size: int) -> Vectors:
        shared: dict[str, Any] = {"batch_size": size, "show_progress_bar": False, "convert_to_numpy": True}
        if side == "query":
            vectors: Vectors = model.encode_query(inputs, prompt=self.config.query_prompt, **shared)
        else:
            vectors = model.encode_document(inputs, prompt_name=self.config.prompt_name, **shared)
        return vectors


def ask_files(config: SentenceModelConfig, ask: Callable[[Path], ToldT | None]) -> ToldT | None:
    """What the files of a local model tell, None for a hub name or where they do not tell."""
    try:
        folder = names.folder_of(config.name)
    except EmbeddingsOrchError:
        return None  # loading the model says what is wrong
    return ask(folder) if folder is not None and folder.is_dir() else None


def _inputs(model: SentenceTransformer, batch: Batch) -> list[Any]:
    contents: Sequence[Any] = batch.contents
    if batch.modality != "text":
        return [{batch.modality: content} for content in contents]
    # A multimodal model opens, and even fetches, a plain text that looks like a picture's path or URL.
    return list(contents) if list(model.modalities) == ["text"] else [{"text": text} for text in contents]
