"""Runners other than the local one: chosen in the declaration, and free to leave the process."""

import os
import pickle
import textwrap

import pytest
from pydantic import ValidationError

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.pipeline.embeddings.reader import ContentReader
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.store import Store
from embeddings_orch_testing import CountingConfig
from plugin_sites import installed

ELSEWHERE = textwrap.dedent('''
    """A runner that reads and embeds in a process of its own, and commits here."""
    import os
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context
    from pathlib import Path
    from embeddings_orch.embedding.outcome import Prepared
    from embeddings_orch.embedding.runners import Runner


    def carry(step, read, contents):
        with Path(os.environ["ELSEWHERE_LOG"]).open("a") as log:
            print(os.getpid(), file=log)
        prepared = [step.prepare(read(content)) for content in contents]
        outcome = step([content for content in prepared if isinstance(content, Prepared)])
        outcome.failures += [content for content in prepared if not isinstance(content, Prepared)]
        return outcome


    class Elsewhere(Runner):
        """Elsewhere."""

        def run(self, step, contents, read, commit, *, progress=lambda _: None):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                outcome = pool.submit(carry, step, read, list(contents)).result()
            progress(len(outcome.keys) + len(outcome.failures))
            commit(outcome)
''')


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The plugin ``elsewhere``; gives the file with the number of each process that it used."""
    monkeypatch.setenv("ELSEWHERE_LOG", str(tmp_path / "processes.log"))
    with installed(tmp_path / "site", "runners", "elsewhere", "Elsewhere", ELSEWHERE):
        yield tmp_path / "processes.log"


@pytest.mark.process
def test_a_runner_of_the_declaration_carries_the_batches_in_another_process(gallery, elsewhere):
    gallery.model(input="caption", reject="picture 3")
    gallery.tolerate_failures()
    before = gallery.pipeline().spec.embeddings["toy"].config.fingerprint()
    gallery.declare(runner="elsewhere")
    assert gallery.pipeline().spec.embeddings["toy"].config.fingerprint() == before

    ran = gallery.run()

    assert ran.embedded() == 11
    assert [failure.uri for failure in ran.embeddings["toy"].failures] == [str(gallery.media / "p003.png")]
    assert str(os.getpid()) not in elsewhere.read_text().split()
    assert ran.published["found"].generation.rows == 12

    gallery.declare(runner="local")
    assert gallery.run().embedded() == 0


def test_an_embedding_may_have_a_runner_of_its_own(gallery, elsewhere):
    gallery.model(runner="elsewhere")
    spec = gallery.pipeline().spec
    assert spec.runner_of("toy") == "elsewhere"
    assert spec.model_dump(mode="json")["embeddings"]["toy"]["runner"] == "elsewhere"
    assert PipelineSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_runner_that_is_not_there_is_refused_with_the_nearest(gallery):
    spec = gallery.pipeline().spec.model_dump(mode="json")
    with pytest.raises(ValidationError, match="there is no runner 'locl'; did you mean 'local'"):
        PipelineSpec.model_validate({**spec, "runner": "locl"})
    with pytest.raises(ValidationError, match="there is no runner 'locl'"):
        PipelineSpec.model_validate({**spec, "embeddings": {"toy": {**spec["embeddings"]["toy"], "runner": "locl"}}})


def test_what_a_runner_is_given_is_pickled_by_its_settings(gallery, monkeypatch):
    monkeypatch.setenv("A_KEY", "sk-very-secret")
    gallery.run()
    pipeline = gallery.pipeline()
    step = EmbedStep(CountingConfig(log=str(gallery.log)))
    assert step.embedder is not None
    reader = ContentReader(pipeline.spec.media.config)
    for sent in (step, reader, pipeline.store):
        pickled = pickle.dumps(sent)
        assert len(pickled) < 2000
        assert b"sk-very-secret" not in pickled
    store = pickle.loads(pickle.dumps(pipeline.store))
    assert isinstance(store, Store)
    assert store.published.get("gallery", "found") == pipeline.store.published.get("gallery", "found")
