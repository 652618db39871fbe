"""From pictures and texts to what ImageBind reads, as its own code does it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from embeddings_orch_plugins.imagebind.package import tokenizer

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

SIDE = 224
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
CONTEXT = 77


def pixels(data: bytes) -> torch.Tensor:
    """One picture as float32 of shape (3, 224, 224): its shorter side resized bicubically, the middle cut out.

    Raises:
        ItemError: it cannot be decoded.
    """
    from torchvision.transforms import functional  # type: ignore[import-untyped]

    from embeddings_orch.media import decode_image

    tensor: torch.Tensor = functional.to_tensor(_middle(decode_image(data)))
    return functional.normalize(tensor, MEAN, STD)  # type: ignore[no-any-return]


def _middle(image: Image) -> Image:
    from torchvision.transforms import functional

    from embeddings_orch.media import is_oversized, resize_cut_out

    short = min(image.size)
    size = (SIDE * image.width // short, SIDE * image.height // short)
    if is_oversized(size):
        left, top = (round((side - SIDE) / 2) for side in size)
        return resize_cut_out(image, size, (left, top, left + SIDE, top + SIDE))
    resized = functional.resize(image, SIDE, functional.InterpolationMode.BICUBIC)
    middle: Image = functional.center_crop(resized, SIDE)
    return middle


class Tokens:
    """Texts to token ids; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokenizer = tokenizer()

    def __call__(self, text: str) -> torch.Tensor:
        """One text as 77 token ids; a longer one is cut, and keeps its end token, which the model looks for."""
        with self._lock:
            ids: torch.Tensor = self._tokenizer(text)
        end = self._tokenizer.encoder["<|endoftext|>"]
        if end not in ids:
            ids[CONTEXT - 1] = end
        return ids
