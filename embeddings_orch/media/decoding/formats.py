"""Which format a picture has, and its header, by Pillow."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import IO

from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from embeddings_orch.media.decoding.limits import WEBP_HEADER, check_size, has_too_much_exif, webp_size
from embeddings_orch.media.decoding.mending import mended

# By name, so that formats which start other programs (EPS starts Ghostscript) are never tried.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "PPM")
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
_WHITE_IS_ZERO, _BLACK_IS_ZERO = 0, 1


class GreyTiff(TiffImagePlugin.TiffImageFile):
    """A TIFF whose grey of more than 8 bits is read as it is stored, also where 0 is white.

    Pillow reads such pictures in some orders of bytes only, and never turns them round.
    """

    def _setup(self) -> None:
        bits = self.tag_v2.get(_BITS_PER_SAMPLE, (1,))
        if self.tag_v2.get(_PHOTOMETRIC) != _WHITE_IS_ZERO or not isinstance(bits, tuple) or max(bits) <= 8:
            super()._setup()
            return
        self.tag_v2[_PHOTOMETRIC] = _BLACK_IS_ZERO
        try:
            super()._setup()
        finally:
            self.tag_v2[_PHOTOMETRIC] = _WHITE_IS_ZERO


def identify(file: IO[bytes]) -> ImageFile.ImageFile | None:
    """A picture whose header was read, None where it is of no format that is decoded here.

    Raises:
        ItemError: a WebP of too many pixels, whose memory Pillow takes before it says its size.
        Exception: whatever Pillow raises of a broken header.
    """
    # Not Image.open: it applies Image.MAX_IMAGE_PIXELS, which is one setting for the whole process.
    Image.init()
    prefix = file.read(WEBP_HEADER)
    for name in _FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        # A string instead of True says that Pillow was built without what the format needs.
        if factory is None or accept is None or accept(prefix) is not True:
            continue
        if (size := webp_size(prefix)) is not None:
            check_size(size)
        if name == "JPEG" and has_too_much_exif(file):
            raise SyntaxError("too many segments of EXIF")
        file.seek(0)
        read: Callable[[IO[bytes], str], ImageFile.ImageFile] = GreyTiff if name == "TIFF" else factory
        return read(file, "")
    return None


def identify_mended(file: IO[bytes]) -> ImageFile.ImageFile | None:
    """`identify`, and where only metadata are broken the picture without them.

    Raises:
        Exception: as `identify`.
    """
    try:
        return identify(file)
    except Exception:
        file.seek(0)
        sound = mended(file.read())
        if sound is None:
            raise
    return identify(BytesIO(sound))


def orientation(image: ImageFile.ImageFile) -> int:
    """EXIF's orientation, 1 to 8; 1 is upright."""
    try:
        # Not PngImageFile.getexif, which decodes the whole picture to look behind it.
        return int(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))
    except Exception:
        # Broken metadata do not spoil the picture.
        return 1
