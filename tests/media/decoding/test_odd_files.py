"""Files whose metadata are broken, or whose grey is rare: the picture they hold, or the reason why there is none."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.errors import ItemError
from embeddings_orch.media.decoding.mending import mended
from embeddings_orch.media.decoding.pictures import decode_image, image_orientation, image_size
from embeddings_orch.media.decoding.portable import portable_image

ODD = Path(__file__).parents[2] / "data" / "odd"
MANIFEST: dict[str, dict[str, str]] = json.loads((ODD / "manifest.json").read_text())
LIKE_ANOTHER = {name: outcome for name, outcome in MANIFEST.items() if "fails" not in outcome}


def pixels(name: str) -> np.ndarray:
    return np.asarray(decode_image((ODD / name).read_bytes())).astype(int)


@pytest.mark.parametrize("name", LIKE_ANOTHER)
def test_pixels_decide(name):
    (how, other), data = next(iter(MANIFEST[name].items())), (ODD / name).read_bytes()
    difference = np.abs(pixels(name) - pixels(other))
    assert difference.max() <= (0 if how == "same_as" else 1)
    assert image_size(data) == image_size(ODD / other)
    assert image_orientation(data) == image_orientation((ODD / other).read_bytes())
    # ... and no server gets what it may refuse, or see otherwise.
    sent, _ = portable_image(data)
    with Image.open(BytesIO(sent)) as image:
        image.load()
        assert np.array_equal(np.asarray(image.convert("RGB")), pixels(name))


@pytest.mark.parametrize("name", sorted(MANIFEST.keys() - LIKE_ANOTHER.keys()))
def test_half_a_picture_stays_an_error(name):
    with pytest.raises(ItemError, match=MANIFEST[name]["fails"]):
        decode_image((ODD / name).read_bytes())


@pytest.mark.parametrize("name", ["plain.png", "plain.jpg", "turned.png", "turned.jpg"])
def test_what_is_cut_off_anywhere_is_never_mended_into_half_a_picture(name):
    data = (ODD / name).read_bytes()
    for end in range(len(data)):
        sound = mended(data[:end])
        if sound is None:
            continue
        try:
            image = decode_image(sound)
        except ItemError:
            continue
        assert np.array_equal(np.asarray(image), pixels(name)), end


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff" * 99])
def test_what_has_no_frame_is_left_alone(data):
    assert mended(data) is None
