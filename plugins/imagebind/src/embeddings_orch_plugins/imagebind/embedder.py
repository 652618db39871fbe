"""The imagebind embedder. Importing this module imports neither torch nor the package imagebind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from embeddings_orch.models import (
    Batch,
    BatchTooLargeError,
    Embedder,
    EmbedResult,
    Item,
    Modality,
    ProviderError,
    TerminalError,
    classify_local_error,
    empty_cache,
    out_of_memory,
    precision_advice,
    resolve_device,
)
from embeddings_orch_plugins.imagebind.config import ImageBindConfig

if TYPE_CHECKING:
    import torch

    from embeddings_orch_plugins.imagebind.preprocess import Tokens

KEYS: dict[Modality, str] = {"image": "vision", "text": "text", "audio": "audio"}
"""What the model calls a modality."""


class ImageBindEmbedder(Embedder[ImageBindConfig]):
    """Embeds pictures, texts and sounds with one model, loaded once, when first needed."""

    config_class = ImageBindConfig
    modalities: frozenset[Modality] = frozenset(KEYS)
    kinds: ClassVar[tuple[str, ...]] = ("pytorch",)

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__(config)
        self._lock = threading.RLock()
        self._model: tuple[Any, torch.device] | None = None
        self._tokens: Tokens | None = None
        self._failure: TerminalError | None = None

    def dimensions(self) -> int | None:
        """The length of the vectors, told without loading the model."""
        from embeddings_orch_plugins.imagebind.model import own_length

        return own_length(self.config)

    def prepare(self, item: Item) -> Any:
        """A tensor for the model: pixels (3, 224, 224), token ids (77), or spectrograms (3, 1, 128, 204).

        Raises:
            ItemError: the picture or sound cannot be decoded.
            TerminalError: the package imagebind is not here.
        """
        if isinstance(item.content, str):
            return self._tokenizer()(item.content)
        if item.modality == "audio":
            from embeddings_orch_plugins.imagebind.audio import clips

            return clips(item.content)
        from embeddings_orch_plugins.imagebind.preprocess import pixels

        return pixels(item.content)

    def embed(self, batch: Batch) -> EmbedResult:
        """Embed one batch: vectors of shape (n, dimensions), scaled as the model does, differently for each modality.

        Raises:
            BatchTooLargeError: memory ran out.
            TerminalError: the model cannot be loaded.
        """
        import torch

        model, device = self._get_model()
        key = KEYS[batch.modality]
        try:
            with torch.inference_mode():
                inputs = torch.stack(list(batch.contents)).to(device)
                if inputs.is_floating_point():
                    inputs = inputs.to(next(model.parameters()).dtype)
                return EmbedResult(model({key: inputs})[key].float().cpu().numpy())
        except Exception as error:
            if not out_of_memory(error):
                raise
            why = str(error).partition("\n")[0]
        # Here the error's traceback is gone, and with it what held the activations.
        empty_cache(device)
        raise BatchTooLargeError(f"{len(batch)} items of {batch.modality} did not fit: {why}")

    def classify(self, error: Exception) -> ProviderError:
        """See `embeddings_orch.models.classify_local_error`."""
        return classify_local_error(self.config.name, error)

    def close(self) -> None:
        """Free the model's memory; the next batch loads it again."""
        with self._lock:
            loaded, self._model, self._tokens, self._failure = self._model, None, None, None
        if loaded is not None:
            device = loaded[1]
            del loaded
            empty_cache(device)

    def advice(self) -> list[str]:
        """What would make this config faster on this machine; loads torch, not the model."""
        return precision_advice(self.config.precision, resolve_device(self.config.device))

    def _get_model(self) -> tuple[Any, torch.device]:
        with self._lock:
            if self._failure is not None:
                raise TerminalError(str(self._failure))
            if self._model is None:
                from embeddings_orch_plugins.imagebind.model import load

                try:
                    self._model = load(self.config)
                except TerminalError as error:
                    self._failure = error
                    raise
            return self._model

    def _tokenizer(self) -> Tokens:
        with self._lock:
            if self._tokens is None:
                from embeddings_orch_plugins.imagebind.preprocess import Tokens

                self._tokens = Tokens()
            return self._tokens
