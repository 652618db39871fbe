"""Relative and absolute uris."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.media.roots import absolute_uri, absolute_uris, relative_uris

PLACES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


def table(*uris):
    return pa.table({"id": [str(n) for n in range(len(uris))], "uri": pa.array(uris, pa.string())})


@pytest.mark.parametrize(
    ("uri", "stored"),
    [
        ("/m/a/b.jpg", "a/b.jpg"),
        ("/mm/b.jpg", "/mm/b.jpg"),
        ("/m", "/m"),
        ("/m//b.jpg", "/m//b.jpg"),
        ("s3://m/b.jpg", "s3://m/b.jpg"),
        ("/m/s3://x", "/m/s3://x"),
        ("/m/t.csv#7", "t.csv#7"),
    ],
)
@pytest.mark.parametrize("root", ["/m", "/m/"])
def test_what_is_below_the_root_is_relative(uri, stored, root):
    assert relative_uris(root, table(uri))["uri"].to_pylist() == [stored]


@given(st.lists(st.one_of(PLACES.map("/m/".__add__), PLACES.map("/n/".__add__), st.just("s3://bucket/x"))))
def test_the_way_back_is_the_same(uris):
    there = relative_uris("/m", table(*uris))
    assert absolute_uris("/m", there)["uri"].to_pylist() == uris
    assert [absolute_uri("/m", uri) for uri in there["uri"].to_pylist()] == uris


def test_without_a_root_or_a_column_nothing_changes():
    rows = table("/m/a.jpg")
    assert relative_uris("", rows) == absolute_uris("", rows) == rows
    assert absolute_uris("/m", rows.select(["id"])) == rows.select(["id"])
