"""What all remote embedders share: one client, and the check of an answer."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest

from embeddings_orch.errors import ResponseError, TerminalError
from embeddings_orch.models import Batch, EmbedResult, RemoteConfig, RemoteEmbedder, vectors_from


class RemoteToyConfig(RemoteConfig):
    provider: ClassVar[str] = "remote-toy"


class Connection:
    made = 0

    def __init__(self):
        type(self).made += 1
        self.closed = False

    def close(self):
        self.closed = True


class RemoteToy(RemoteEmbedder[RemoteToyConfig, Connection]):
    config_class = RemoteToyConfig
    modalities = frozenset({"text"})
    refused = False

    def connect(self):
        if self.refused:
            raise TerminalError("no key")
        return Connection()

    def embed(self, batch):
        assert self.client is not None
        return EmbedResult(vectors_from([[1.0, 2.0]] * len(batch), len(batch)))


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(Connection, "made", 0)
    return RemoteToy(RemoteToyConfig())


def test_threads_share_the_client_that_the_first_request_makes(toy):
    assert Connection.made == 0
    together = threading.Barrier(8)

    def ask(_):
        together.wait()
        return toy.client

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(ask, range(8))))) == 1
    assert Connection.made == 1


def test_a_closed_embedder_connects_anew(toy):
    first = toy.client
    toy.close()
    toy.close()
    assert first.closed
    assert toy.client is not first
    assert toy.embed(Batch("text", ["a"])).vectors.shape == (1, 2)


def test_who_cannot_connect_tries_again(toy):
    toy.refused = True
    with pytest.raises(TerminalError, match="no key"):
        _ = toy.client
    toy.refused = False
    assert not toy.client.closed


def test_it_is_pickled_as_its_config(toy):
    _ = toy.client
    copy = pickle.loads(pickle.dumps(toy))
    assert copy.config == toy.config
    assert Connection.made == 1
    assert copy.client is not toy.client


def test_an_answer_is_a_matrix_of_float32():
    vectors = vectors_from([[1, 2], [3, 4.5]], 2)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[1, 2], [3, 4.5]]
    assert vectors_from([np.ones(3, np.float64)], 1).shape == (1, 3)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (None, "no list of vectors, but NoneType"),
        ({"a": [1]}, "no list of vectors, but dict"),
        ([[1.0]], "1 vectors for 2 inputs"),
        ([[1.0]] * 3, "3 vectors for 2 inputs"),
        ([[1.0], [1.0, 2.0]], r"several lengths: \[1, 2\]"),
        ([[], []], "not lists of numbers of one length"),
        ([1.0, 2.0], "not lists of numbers of one length"),
        ([["a"], ["b"]], "not lists of numbers of one length"),
        ([[None], [1.0]], "not lists of numbers of one length"),
        ([[True], [False]], "not lists of numbers of one length"),
        ([[[1.0]], [[2.0]]], "not lists of numbers of one length"),
        ([[float("nan")], [1.0]], "not finite"),
        ([[1e300], [1.0]], "not finite"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(rows, said):
    with pytest.raises(ResponseError, match=said):
        vectors_from(rows, 2)
