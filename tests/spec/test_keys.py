"""Keys of assets: texts that know their parts."""

import pickle

import pytest

from embeddings_orch.spec.keys import AssetKey


@pytest.mark.parametrize(
    ("key", "text", "kind", "name", "within"),
    [
        (AssetKey.of_media("photos"), "photos/raw_media", "raw_media", "", "raw_media"),
        (AssetKey.of_embedding("photos", "clip"), "photos/embeddings/clip", "embeddings", "clip", "embeddings/clip"),
        (AssetKey.of_index("photos", "found"), "photos/index/found", "index", "found", "index/found"),
        (AssetKey.of_published("photos", "found"), "photos/published/found", "published", "found", "published/found"),
    ],
)
def test_a_key_parses_and_prints_itself(key, text, kind, name, within):
    assert key == text
    assert f"{key}" == text
    assert AssetKey.parse(text) == key
    assert (key.pipeline, key.kind, key.name, key.within) == ("photos", kind, name, within)
    assert pickle.loads(pickle.dumps(key)).kind == kind


@pytest.mark.parametrize("text", ["", "photos", "photos/clip", "photos/embeddings", "photos/raw_media/x", "a/b/c/d"])
def test_what_is_no_key_of_ours_is_not_parsed(text):
    assert AssetKey.parse(text) is None
