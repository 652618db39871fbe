"""A reranker has the last word on the first hits."""

import numpy as np
import pytest

from embeddings_orch.errors import EmbeddingsOrchError, PluginError, SpecError
from embeddings_orch.models.reranker import Reranker, RerankerConfig, reranker
from embeddings_orch.search import Rerank
from plugin_sites import installed


class OverlapConfig(RerankerConfig):
    """Settings of a reranker that counts common words."""

    least: int = 0


class Overlap(Reranker[OverlapConfig]):
    """Counts the words that a query and a text have in common."""

    config_class = OverlapConfig

    def __init__(self, config):
        super().__init__(config)
        self.asked = []

    def scores(self, query, texts):
        self.asked.append((query, list(texts)))
        return np.array([len(set(query.split()) & set(text.split())) for text in texts], np.float32)


@pytest.fixture
def overlap():
    return Overlap(OverlapConfig())


@pytest.mark.slow
def test_the_first_hits_are_in_the_rerankers_order(words_gallery, right, overlap):
    gallery = words_gallery()
    index, rows = right.opened(gallery), gallery.rows()
    first = index.search("red fruit", limit=20).hits
    expected = sorted((-len({"red", "fruit"} & set(rows[hit.id]["caption"].split())), hit.id) for hit in first)

    hits = index.search("red fruit", limit=8, offset=2, rerank=Rerank(overlap, top=20)).hits

    assert [(-hit.score, hit.id) for hit in hits] == expected[2:10]
    distances = {hit.id: hit.distance for hit in first}
    assert all(hit.distance == distances[hit.id] for hit in hits)
    assert overlap.asked == [("red fruit", [hit.metadata["caption"] for hit in first])]


def test_keywords_beside_a_picture_are_what_the_reranker_reads(words_gallery, right, overlap):
    gallery = words_gallery()
    index = right.opened(gallery)
    picture = gallery.media / "p010.png"
    index.search(image=picture, keyword="boat", rerank=Rerank(overlap, column="title", top=5), limit=3)
    ((query, texts),) = overlap.asked
    assert (query, len(texts)) == ("boat", 5)
    with pytest.raises(EmbeddingsOrchError, match="a reranker needs words"):
        index.search(image=picture, rerank=Rerank(overlap))


def test_pages_beyond_the_top_read_more(words_gallery, right, overlap):
    index = right.opened(words_gallery())
    assert len(index.search("red", limit=5, offset=12, rerank=Rerank(overlap, top=5)).hits) == 5
    assert len(overlap.asked[0][1]) == 20
    assert index.search("red", where="caption = 'none'", rerank=Rerank(overlap)).hits == []
    assert len(overlap.asked) == 1


@pytest.mark.slow
def test_a_column_that_is_not_there_and_scores_that_are_none_are_said(gallery, right, overlap):
    gallery.add("mute.png")
    gallery.run()
    index = right.opened(gallery)
    with pytest.raises(EmbeddingsOrchError, match="no column 'captoin' of texts; did you mean 'caption'"):
        index.search("a", rerank=Rerank(overlap, column="captoin"))
    with pytest.raises(EmbeddingsOrchError, match="no column 'width' of texts"):
        index.search("a", rerank=Rerank(overlap, column="width"))
    with pytest.raises(EmbeddingsOrchError, match="top must be at least 1, not 0"):
        index.search("a", rerank=Rerank(overlap, top=0))
    assert "mute.png" in [hit.id for hit in index.search("a", limit=13, rerank=Rerank(overlap))]
    for wrong in (np.zeros(3), np.zeros((13, 2)), np.full(13, np.nan)):
        overlap.scores = lambda query, texts, wrong=wrong: wrong
        with pytest.raises(EmbeddingsOrchError, match="the reranker gave scores of shape"):
            index.search("a", rerank=Rerank(overlap))


PLUGIN = """\
import numpy as np
from embeddings_orch.models.reranker import Reranker, RerankerConfig

class Config(RerankerConfig):
    name: str = "by length"

class Longest(Reranker[Config]):
    config_class = Config
    def scores(self, query, texts):
        return np.array([len(text) for text in texts], np.float32)
"""


@pytest.mark.slow
def test_a_reranker_is_a_plugin_by_name(gallery, right, tmp_path):
    with installed(tmp_path / "site", "rerankers", "longest", "Longest", PLUGIN):
        made = reranker("longest", name="another")
        assert (made.config.name, made.scores("a", ["aa", "b"]).tolist()) == ("another", [2, 1])
        with pytest.raises(SpecError, match="the reranker 'longest' cannot be made: nmae: Extra inputs"):
            reranker("longest", nmae="another")
        with pytest.raises(PluginError, match="there is no reranker 'longet'; did you mean 'longest'"):
            reranker("longet")
        gallery.run()
        hits = right.opened(gallery).search("a", limit=12, rerank=Rerank(made)).hits
        assert [hit.id for hit in hits[:2]] == ["p010.png", "p011.png"]  # "picture 10" and "picture 11"
