"""From an encoded image to the pixels that a model reads: open_clip's own geometry, on uint8 tensors.

A JPEG is decoded by simplejpeg and resized by torch's uint8 kernels, which takes less than half of Pillow's
time and differs from it by rounding alone. What simplejpeg does not read goes to the core's decoder. JPEGs
are not decoded at a fraction of their size, though that is faster still: fine patterns and coloured writing
then gave other vectors (cosine 0.9992).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Pixels = NDArray[np.uint8]

JPEG_START = b"\xff\xd8\xff"


class Preprocessor:
    """Prepares images for one model; safe to call from several threads.

    Args:
        settings: open_clip's ``preprocess_cfg``: size, resize_mode, interpolation, fill_color, mean, std.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        import torch

        from open_clip.transform import MaybeConvertMode, PreprocessCfg, image_transform_v2

        cfg = PreprocessCfg(**settings)
        steps = image_transform_v2(cfg, is_train=False).transforms
        # What follows the conversion to RGB (to float, mean, std) is done a batch at a time, on the device.
        self._geometry = steps[: next(i for i, step in enumerate(steps) if isinstance(step, MaybeConvertMode))]
        self._mean = torch.tensor(_channels(cfg.mean)).view(3, 1, 1)
        self._std = torch.tensor(_channels(cfg.std)).view(3, 1, 1)

    def __call__(self, data: bytes) -> torch.Tensor:
        """One image as the model's pixels, uint8 of shape (3, height, width).

        Args:
            data: the encoded picture.

        Raises:
            ItemError: it cannot be decoded.
        """
        import torch

        pixels = torch.from_numpy(_decode(data)).permute(2, 0, 1)
        pixels = self._cut_out(pixels)
        for step in self._geometry:
            pixels = _apply(step, pixels)
        return pixels.contiguous()

    def _cut_out(self, pixels: torch.Tensor) -> torch.Tensor:
        """The pixels as the geometry leaves them, where resizing the whole picture would take too much memory."""
        from embeddings_orch.media import is_oversized

        resize, *crops = self._geometry
        height, width = _size_after(resize, pixels)
        if not crops or not is_oversized((width, height)):
            return pixels
        rows, columns = crops[0].size
        if height < rows or width < columns:
            return pixels
        return _resized_middle(pixels, (height, width), (rows, columns), resize.interpolation)

    def normalize(self, batch: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """Pixels of shape (n, 3, height, width) as the numbers the model reads, on its device."""
        # In float32 and in this order, as torchvision's ToTensor and Normalize do.
        scaled = batch.to(device, non_blocking=True).float().div_(255)
        return scaled.sub_(self._mean.to(device)).div_(self._std.to(device)).to(dtype)


def _apply(step: Any, pixels: torch.Tensor) -> torch.Tensor:
    from torchvision.transforms import Resize  # type: ignore[import-untyped]
    from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

    from open_clip.transform import ResizeKeepRatio

    if not isinstance(step, ResizeKeepRatio | Resize):
        cropped: torch.Tensor = step(pixels)
        return cropped
    # Of torchvision's two resize functions, only this one stays in uint8 and rounds as Pillow does.
    size = list(_size_after(step, pixels))
    resized: torch.Tensor = functional.resize(pixels, size, step.interpolation, antialias=True)
    return resized


def _size_after(resize: Any, pixels: torch.Tensor) -> tuple[int, int]:
    """Height and width that open_clip's or torchvision's step resizes pixels to."""
    from open_clip.transform import ResizeKeepRatio

    height, width = pixels.shape[1:]
    if isinstance(resize, ResizeKeepRatio):
        # open_clip's step asks a Pillow image for its size; of a line it leaves nothing.
        sized = SimpleNamespace(size=(width, height))
        tall, wide = (max(1, side) for side in resize.get_params(sized, resize.size, resize.longest))
        return tall, wide
    if not isinstance(resize.size, int):
        tall, wide = resize.size
        return tall, wide
    short = min(height, width)
    return resize.size * height // short, resize.size * width // short


def _resized_middle(
    pixels: torch.Tensor, size: tuple[int, int], middle: tuple[int, int], interpolation: Any
) -> torch.Tensor:
    import torch
    from PIL import Image

    from embeddings_orch.media import resize_cut_out

    (height, width), (rows, columns) = size, middle
    top, left = round((height - rows) / 2), round((width - columns) / 2)
    image = Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
    box = (left, top, left + columns, top + rows)
    cut = resize_cut_out(image, (width, height), box, Image.Resampling[interpolation.value.upper()])
    return torch.from_numpy(np.array(cut)).permute(2, 0, 1)


def _channels(value: Any) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (float(value),) * 3


def _decode(data: bytes) -> Pixels:
    from embeddings_orch.media import decode_image

    fast = _decode_jpeg(data) if data.startswith(JPEG_START) else None
    return fast if fast is not None else np.array(decode_image(data))


def _decode_jpeg(data: bytes) -> Pixels | None:
    """The pixels of an ordinary JPEG, upright; None where the core's decoder should judge it."""
    import simplejpeg

    from embeddings_orch.media import MAX_PIXELS, has_too_many_scans, image_orientation

    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        if colorspace not in ("YCbCr", "Gray", "RGB") or height * width > MAX_PIXELS:
            return None
        if has_too_many_scans(data, (width, height)):
            return None
        pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=False, fastupsample=False)
    except ValueError:
        return None
    return _upright(pixels, image_orientation(data))


# EXIF orientation -> (rows and columns change places, then flip rows, flip columns)
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    if orientation not in _TURNS:
        return pixels
    transpose, rows, columns = _TURNS[orientation]
    turned = pixels.transpose(1, 0, 2) if transpose else pixels
    return np.ascontiguousarray(turned[:: -1 if rows else 1, :: -1 if columns else 1])
