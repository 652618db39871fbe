"""The open-clip embedder. Importing this module imports neither torch nor open_clip."""

from __future__ import annotations

import threading
from collections.abc import Callable
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
)
from embeddings_orch_plugins.open_clip.architectures import embedding_length
from embeddings_orch_plugins.open_clip.config import OpenClipConfig

if TYPE_CHECKING:
    import torch

    from embeddings_orch_plugins.open_clip.model import Clip
    from embeddings_orch_plugins.open_clip.preprocess import Preprocessor


class OpenClipEmbedder(Embedder[OpenClipConfig]):
    """Embeds images and texts with one CLIP model, loaded once, when first needed."""

    config_class = OpenClipConfig
    modalities: frozenset[Modality] = frozenset({"image", "text"})
    kinds: ClassVar[tuple[str, ...]] = ("pytorch",)

    def __init__(self, config: OpenClipConfig) -> None:
        super().__init__(config)
        self._lock = threading.RLock()
        self._model: tuple[Clip, Preprocessor] | None = None
        self._tokenizer: Callable[[list[str]], torch.Tensor] | None = None
        self._failure: TerminalError | None = None

    def dimensions(self) -> int | None:
        """The length of the vectors, read from the model's config file without loading the model."""
        return embedding_length(self.config.name)

    def prepare(self, item: Item) -> Any:
        """An image as uint8 pixels (3, height, width) at the model's size; a text as it is.

        Raises:
            ItemError: the image cannot be decoded.
            TerminalError: the model cannot be loaded.
        """
        if isinstance(item.content, str):
            return item.content
        _, preprocessor = self._get_model()
        return preprocessor(item.content)

    def embed(self, batch: Batch) -> EmbedResult:
        """Embed images or texts: vectors of shape (n, dimensions), as the model gives them, not normalised.

        Raises:
            BatchTooLargeError: memory ran out.
            TerminalError: the model cannot be loaded.
        """
        import torch

        clip, preprocessor = self._get_model()
        try:
            with torch.inference_mode():
                if batch.modality == "text":
                    vectors = clip.model.encode_text(self._tokens(list(batch.contents)).to(clip.device))
                else:
                    pixels = torch.stack(list(batch.contents))
                    vectors = clip.model.encode_image(preprocessor.normalize(pixels, clip.device, clip.dtype))
                return EmbedResult(vectors.float().cpu().numpy())
        except Exception as error:
            if not out_of_memory(error):
                raise
            reason = str(error).partition("\n")[0]
        # Here the error's traceback is gone, and with it what held the activations.
        empty_cache(clip.device)
        raise BatchTooLargeError(f"{len(batch)} items of {batch.modality} did not fit: {reason}")

    def classify(self, error: Exception) -> ProviderError:
        """A local model's errors come again with the same input, so all but a lack of memory are terminal."""
        return classify_local_error(self.config.name, error)

    def close(self) -> None:
        """Free the model's memory; the next batch loads it again."""
        with self._lock:
            loaded, self._model, self._tokenizer, self._failure = self._model, None, None, None
        if loaded is not None:
            device = loaded[0].device
            del loaded
            empty_cache(device)

    def advice(self) -> list[str]:
        """What would make this config faster or truer on this machine; loads torch, not the model."""
        from embeddings_orch_plugins.open_clip.advice import advice

        return advice(self.config)

    def _get_model(self) -> tuple[Clip, Preprocessor]:
        # The decode threads ask first, all at once: one loads, the others wait for it.
        if (loaded := self._model) is not None:
            return loaded
        with self._lock:
            if self._failure is not None:
                raise TerminalError(str(self._failure))
            if self._model is None:
                from embeddings_orch_plugins.open_clip.backends import load
                from embeddings_orch_plugins.open_clip.preprocess import Preprocessor

                try:
                    clip = load(self.config)
                except TerminalError as error:
                    self._failure = error
                    raise
                self._model = (clip, Preprocessor(clip.preprocess_cfg))
            return self._model

    def _tokens(self, texts: list[str]) -> torch.Tensor:
        # The lock also because Hugging Face's tokenizers fail when two threads use one of them.
        with self._lock:
            if self._tokenizer is None:
                from embeddings_orch_plugins.open_clip.model import load_tokenizer

                self._tokenizer = load_tokenizer(self.config)
            return self._tokenizer(texts)
