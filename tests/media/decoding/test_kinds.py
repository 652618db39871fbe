from __future__ import annotations

import pytest
from PIL import features

from embeddings_orch.media.decoding.kinds import KINDS, MediaKind, kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", MediaKind("image", "image/png")),
        ("x/IMG_1.JPEG", MediaKind("image", "image/jpeg")),
        ("a.b.TIF", MediaKind("image", "image/tiff")),
        ("notes.md", MediaKind("text", "text/markdown")),
        ("notes.TXT", MediaKind("text", "text/plain")),
        ("a/bark.WAV", MediaKind("audio", "audio/wav")),
        ("bark.flac", MediaKind("audio", "audio/flac")),
        ("bark.mp3", MediaKind("audio", "audio/mpeg")),
        ("bark.opus", MediaKind("audio", "audio/ogg")),
        ("bark.m4a", MediaKind("audio", "audio/mp4")),
        ("archive.zip", None),
        ("png", None),
        (".png", None),
    ],
)
def test_the_extension_tells_the_kind(name, kind):
    assert kind_of(name) == kind


def test_avif_is_known_where_pillow_reads_it():
    assert (".avif" in KINDS) == ("avif" in features.get_supported_modules())
