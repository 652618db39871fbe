"""What a file is, told by its extension."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import features

from embeddings_orch.models.content import Modality


@dataclass(frozen=True)
class MediaKind:
    """How a file is read: as which modality, and its MIME type."""

    modality: Modality
    mime: str


_IMAGE_TYPES = {
    "image/png": (".png", ".apng"),
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
    "image/bmp": (".bmp", ".dib"),
    "image/tiff": (".tif", ".tiff"),
    "image/x-portable-anymap": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "image/avif": (".avif", ".avifs"),
}
_OPTIONAL_IMAGE_TYPES = {"image/webp": "webp", "image/avif": "avif"}
_TEXT_TYPES = {"text/plain": (".txt",), "text/markdown": (".md",)}
_AUDIO_TYPES = {
    "audio/wav": (".wav", ".wave"),
    "audio/flac": (".flac",),
    "audio/mpeg": (".mp3",),
    "audio/ogg": (".ogg", ".oga", ".opus"),
    "audio/mp4": (".m4a",),
    "audio/aac": (".aac",),
    "audio/aiff": (".aif", ".aiff"),
}


def _known_kinds() -> dict[str, MediaKind]:
    kinds: dict[str, MediaKind] = {}
    for mime, extensions in _IMAGE_TYPES.items():
        feature = _OPTIONAL_IMAGE_TYPES.get(mime)
        # Asking an older Pillow for what it does not know makes it warn.
        if feature is None or (feature in features.modules and features.check_module(feature)):
            kinds |= dict.fromkeys(extensions, MediaKind("image", mime))
    for mime, extensions in _TEXT_TYPES.items():
        kinds |= dict.fromkeys(extensions, MediaKind("text", mime))
    for mime, extensions in _AUDIO_TYPES.items():
        kinds |= dict.fromkeys(extensions, MediaKind("audio", mime))
    return kinds


KINDS = _known_kinds()
"""Extension, in lower case and with its dot, to kind; the pictures are those that this Pillow can read."""


def kind_of(name: str) -> MediaKind | None:
    """The kind of a file by its name, or None where it is not known.

    Example:
        >>> kind_of("holiday/IMG_1.JPG")
        Kind(modality='image', mime='image/jpeg')
    """
    return KINDS.get(PurePosixPath(name).suffix.lower())
