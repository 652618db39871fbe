from __future__ import annotations

import pytest
from PIL import features

from embeddings_orch.media.decoding.kinds import KINDS, Kind, kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", Kind("image", "image/png")),
        ("x/IMG_1.JPEG", Kind("image", "image/jpeg")),
        ("a.b.TIF", Kind("image", "image/tiff")),
        ("notes.md", Kind("text", "text/markdown")),
        ("notes.TXT", Kind("text", "text/plain")),
        ("a/bark.WAV", Kind("audio", "audio/wav")),
        ("bark.flac", Kind("audio", "audio/flac")),
        ("bark.mp3", Kind("audio", "audio/mpeg")),
        ("bark.opus", Kind("audio", "audio/ogg")),
        ("bark.m4a", Kind("audio", "audio/mp4")),
        ("archive.zip", None),
        ("png", None),
        (".png", None),
    ],
)
def test_the_extension_tells_the_kind(name, kind):
    assert kind_of(name) == kind


def test_avif_is_known_where_pillow_reads_it():
    assert (".avif" in KINDS) == ("avif" in features.get_supported_modules())
