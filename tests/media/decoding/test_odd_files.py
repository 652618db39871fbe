"""Files whose metadata are broken, or whose grey is rare: the picture they hold, or the reason why there is none."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.errors import ItemError
from embeddings_orch.media.decoding.kinds import kind_of
from embeddings_orch.media.decoding.mending import mended
from embeddings_orch.media.decoding.pictures import decode_image, image_orientation, image_size
from embeddings_orch.media.decoding.portable import portable_image
from odd_files import ODD, manifest

PICTURES = {
    name: odd
    for name, odd in manifest().media.items()
    if odd.copy_of is None and (kind := kind_of(name)) is not None and kind.modality == "image"
}
LIKE_ANOTHER = {name: other for name, odd in PICTURES.items() if (other := odd.same_as or odd.close_to)}
HALVES = {name: odd.fails for name, odd in PICTURES.items() if odd.fails is not None and odd.row.get("size") != 0}


def bytes_of(name: str) -> bytes:
    return (ODD / "media" / name).read_bytes()


def pixels(name: str) -> np.ndarray:
    return np.asarray(decode_image(bytes_of(name))).astype(int)


@pytest.mark.parametrize("name", LIKE_ANOTHER)
def test_pixels_decide(name):
    other, data = LIKE_ANOTHER[name], bytes_of(name)
    difference = np.abs(pixels(name) - pixels(other))
    assert difference.max() <= (0 if PICTURES[name].same_as else 1)
    assert image_size(data) == image_size(bytes_of(other))
    if not name.startswith("orientation-"):  # stored in another way than what it looks like
        assert image_orientation(data) == image_orientation(bytes_of(other))
    # ... and no server gets what it may refuse, or see otherwise.
    sent, _ = portable_image(data)
    with Image.open(BytesIO(sent)) as image:
        image.load()
        assert np.array_equal(np.asarray(image.convert("RGB")), pixels(name))


@pytest.mark.parametrize("name", HALVES)
def test_half_a_picture_stays_an_error(name):
    with pytest.raises(ItemError, match=re.escape(HALVES[name])):
        decode_image(bytes_of(name))


@pytest.mark.parametrize("name", ["plain.png", "plain.jpg", "turned.png", "turned.jpg"])
def test_what_is_cut_off_anywhere_is_never_mended_into_half_a_picture(name):
    data = bytes_of(name)
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
