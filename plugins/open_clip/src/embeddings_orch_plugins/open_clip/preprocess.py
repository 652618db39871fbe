"""From an encoded image to the pixels that a model reads: open_clip's own geometry, on uint8 tensors.

A JPEG is decoded by simplejpeg and resized by torch's uint8 kernels, which takes less than half of Pillow's
time and differs from it by rounding alone. What simplejpeg does not read goes to the core's decoder. JPEGs
are not decoded at a fraction of their size, though that is faster still: fine patterns and coloured writing
then gave other vectors (cosine 0.9992).
"""

from __future__ import annotations

import io
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
        for step in self._geometry:
            pixels = _apply(step, pixels)
        return pixels.contiguous()

    def normalize(self, batch: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """Pixels of shape (n, 3, height, width) as the numbers the model reads, on its device."""
        # In float32 and in this order, as torchvision's ToTensor and Normalize do.
        scaled = batch.to(device, non_blocking=True).float().div_(255)
        return scaled.sub_(self._mean.to(device)).div_(self._std.to(device)).to(dtype)


def _apply(step: Any, pixels: torch.Tensor) -> torch.Tensor:
    from torchvision.transforms import Resize  # type: ignore[import-untyped]
    from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

    from open_clip.transform import ResizeKeepRatio

    if isinstance(step, ResizeKeepRatio):
        # open_clip's step asks a Pillow image for its size.
        sized = SimpleNamespace(size=(pixels.shape[2], pixels.shape[1]))
        size = list(step.get_params(sized, step.size, step.longest))
    elif isinstance(step, Resize):
        size = [step.size] if isinstance(step.size, int) else list(step.size)
    else:
        cropped: torch.Tensor = step(pixels)
        return cropped
    # Of torchvision's two resize functions, only this one stays in uint8 and rounds as Pillow does.
    resized: torch.Tensor = functional.resize(pixels, size, step.interpolation, antialias=True)
    return resized


def _channels(value: Any) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (float(value),) * 3


def _decode(data: bytes) -> Pixels:
    from embeddings_orch.media import decode_image

    fast = _decode_jpeg(data) if data.startswith(JPEG_START) else None
    return fast if fast is not None else np.array(decode_image(data))


def _decode_jpeg(data: bytes) -> Pixels | None:
    """The pixels of an ordinary JPEG, upright; None where the core's decoder should judge it."""
    import simplejpeg

    from embeddings_orch.media import MAX_PIXELS

    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        if colorspace not in ("YCbCr", "Gray", "RGB") or height * width > MAX_PIXELS:
            return None
        pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=False, fastupsample=False)
    except ValueError:
        return None
    return _upright(pixels, _orientation(data))


def _orientation(data: bytes) -> int:
    from PIL import ExifTags, Image
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        # Reads the header only; not Image.open, whose limit on pixels is one for the whole process.
        with JpegImageFile(io.BytesIO(data)) as image:
            return int(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1  # broken metadata do not spoil the picture


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
