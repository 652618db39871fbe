"""Where a JPEG was cut off is told as exactly as can be known, and none is ever taken for whole."""

import io
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.errors import ItemError
from embeddings_orch.media.decoding.cut_off import describe_cut, lacks_end
from embeddings_orch.media.decoding.pictures import decode_image

KINDS = {"baseline": {}, "restarts": {"restart_marker_rows": 1}, "tables of its own": {"optimize": True}}


def jpeg(size=(96, 320), **options):
    noise = np.random.default_rng(7).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "JPEG", quality=90, **options)
    return encoded.getvalue()


def reason(data):
    """Why it is no picture."""
    with pytest.raises(ItemError) as caught:
        decode_image(data)
    return str(caught.value)


@pytest.mark.parametrize("options", [*KINDS.values(), {"progressive": True}], ids=[*KINDS, "progressive"])
@pytest.mark.parametrize("missing", [1, 2])
def test_what_lacks_only_its_end_marker_is_told_so_or_is_whole(options, missing):
    data = jpeg(**options)
    assert describe_cut(data[:-missing]).startswith("it lacks only its end marker, FF D9, and has all its rows")
    with suppress(ItemError):  # else the decoder had all its rows before it missed the marker
        assert np.array_equal(np.asarray(decode_image(data[:-missing])), np.asarray(decode_image(data)))


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("missing", [4, 40])
def test_what_lacks_a_bit_more_is_cut_off_near_its_end(options, missing):
    told = reason(jpeg(**options)[:-missing])
    assert told.startswith("truncated picture: cut off after about 9"), told


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("part", [0.25, 0.5, 0.75])
def test_the_share_of_the_rows_is_told(options, part):
    data = jpeg(**options)
    told = reason(data[: int(len(data) * part)])
    share = int(told.removeprefix("truncated picture: cut off after about ").removesuffix("% of its rows"))
    # Noise takes as many bytes a row; of the rows of blocks that are not whole (16 of 320) none counts.
    assert abs(share - 100 * part) <= 7


def test_what_is_cut_off_in_its_header_or_in_its_first_rows_is_told_so():
    data = jpeg()
    start = data.index(b"\xff\xda")
    assert "cut off in its header, before the first row" in reason(data[:start])
    assert "cut off before its first rows are whole" in reason(data[: start + 60])


def test_of_a_progressive_one_the_pass_is_told():
    data = jpeg(progressive=True)
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    assert "cut off in pass 2: what makes it sharp is not there" in reason(data[: second + 40])
    assert "cut off in its last pass, 10, after about 9" in reason(data[:-40])


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("zeros", [200, 5000, 200_000])
def test_zeros_in_the_place_of_what_was_never_written_are_no_rows(options, zeros):
    data = jpeg(**options)
    told = reason(data[: len(data) // 2] + bytes(zeros))
    assert "cut off after about 4" in told
    assert f"; the last {zeros:,} bytes are zeros" in told


def test_what_stands_behind_the_end_bothers_nobody():
    data = jpeg()
    for behind in (bytes(100), b"\xff\xda and more", data):
        assert np.array_equal(np.asarray(decode_image(data + behind)), np.asarray(decode_image(data)))


def test_a_large_one_is_told_from_a_smaller_copy():
    data = jpeg(size=(2400, 2400))
    assert "it lacks only its end marker" in reason(data[:-2])
    assert "cut off after about 4" in reason(data[: len(data) // 2])


@pytest.mark.parametrize("options", [*KINDS.values(), {"progressive": True}], ids=[*KINDS, "progressive"])
def test_a_film_behind_the_end_makes_no_whole_picture_a_cut_off_one(options):
    data = jpeg(**options)
    film = b"....ftypmp42" + bytes(range(1, 255)) * 20 + b"\xff\xda\0\x0c\x03 by chance"
    # A last pass may be left out: what a camera ends is whole, however sharp it is.
    whole = data[: data.rindex(b"\xff\xda")] + b"\xff\xd9" if "progressive" in options else data
    assert not lacks_end(whole + film)
    assert np.array_equal(np.asarray(decode_image(whole + film)), np.asarray(decode_image(whole)))
    assert lacks_end(data[:-400] + film)
