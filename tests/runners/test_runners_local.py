"""The local runner: bounded memory, any order, and nothing that is embedded is lost."""

import threading

import numpy as np
import pytest

from embeddings_orch.embed_step import EmbedStep, content_hash, content_key
from embeddings_orch.embedder import Item
from embeddings_orch.errors import ItemError, TerminalError, TransientError
from embeddings_orch.runners import Content
from embeddings_orch.runners.local import LocalRunner
from embeddings_orch.testing.counting import CountingConfig, CountingEmbedder


class Commits:
    """Keeps what was committed."""

    def __init__(self):
        self.vectors, self.failures, self.sizes = {}, {}, []

    def __call__(self, outcome):
        self.sizes.append(len(outcome.keys) + len(outcome.failures))
        assert not set(outcome.keys) & set(self.vectors)
        self.vectors.update(zip(outcome.keys, outcome.vectors, strict=True))
        self.failures.update({failure.key: failure for failure in outcome.failures})

    def __len__(self):
        return len(self.vectors) + len(self.failures)


def contents(count):
    for number in range(count):
        text = f"text {number}"
        yield Content(content_key(content_hash(text)), "text", f"{number}.txt", text)


def read(content):
    return Item(content.key, content.modality, content.text, content.uri)


def step(**settings):
    return EmbedStep(CountingConfig(name="toy", **{"batch_size": 10, **settings}))


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("workers", [1, 8])
def test_every_content_gets_its_vector_whatever_the_order(workers, concurrency):
    commits = Commits()

    LocalRunner(workers, checkpoint_rows=50).run(step(concurrency=concurrency), contents(503), read, commits)

    assert not commits.failures
    embedder = CountingEmbedder(CountingConfig(name="toy"))
    for content in contents(503):
        vector = embedder._vector(content.text.encode())
        np.testing.assert_allclose(commits.vectors[content.key], vector / np.linalg.norm(vector), rtol=1e-6)


def test_contents_are_read_only_a_little_ahead_of_the_commits():
    commits, ahead = Commits(), []
    taken = 0

    def counted():
        nonlocal taken
        for content in contents(3000):
            taken += 1
            ahead.append(taken - len(commits))
            yield content

    LocalRunner(2, checkpoint_rows=100).run(step(), counted(), read, commits)

    # The window of loads, the batches in the model, a checkpoint being gathered, and those that wait to be written.
    assert max(ahead) <= (2 * 10 + 2) + 3 * 10 + 4 * 110
    assert len(commits) == 3000


def test_a_slow_writer_holds_the_readers_back():
    gate, commits = threading.Semaphore(0), Commits()
    taken = 0

    def counted():
        nonlocal taken
        for content in contents(3000):
            taken += 1
            yield content

    def commit(outcome):
        gate.acquire()
        commits(outcome)

    def run():
        LocalRunner(2, checkpoint_rows=100).run(step(), counted(), read, commit)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(1.0)
    assert thread.is_alive()
    assert 0 < taken < 600
    for _ in range(3000):
        gate.release()
    thread.join(30)
    assert len(commits) == 3000


@pytest.mark.parametrize("bad", [0, 1500])
def test_checkpoints_follow_each_other_by_rows_also_where_everything_fails(bad):
    commits = Commits()

    def read_some(content):
        if int(content.uri.removesuffix(".txt")) < bad:
            raise ItemError("no good")
        return read(content)

    LocalRunner(2, checkpoint_rows=100).run(step(), contents(1500), read_some, commits)

    assert len(commits) == 1500
    assert max(commits.sizes) <= 110
    assert len(commits.failures) == bad


def test_a_checkpoint_is_written_after_seconds_at_the_latest():
    commits = Commits()
    now = iter(range(10_000))

    LocalRunner(2, checkpoint_rows=10**6, checkpoint_seconds=15, clock=lambda: next(now)).run(
        step(), contents(1000), read, commits
    )

    assert len(commits) == 1000
    assert len(commits.sizes) >= 5


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (ItemError("cannot be decoded"), "item", "cannot be decoded"),
        (TransientError("changed meanwhile"), "transient", "changed meanwhile"),
        (PermissionError(13, "Permission denied"), "transient", "Permission denied"),
    ],
    ids=["item", "transient", "os"],
)
def test_contents_that_cannot_be_read_are_failures_and_the_others_are_embedded(error, kind, reason):
    commits = Commits()

    def read_some(content):
        if content.uri == "7.txt":
            raise error
        return read(content)

    LocalRunner(4).run(step(), contents(30), read_some, commits)

    assert len(commits.vectors) == 29
    (failure,) = commits.failures.values()
    assert (failure.uri, failure.kind) == ("7.txt", kind)
    assert reason in failure.reason


def test_contents_of_several_modalities_go_in_batches_of_one_modality(tmp_path):
    commits = Commits()
    some = [
        Content(f"{number}:0", "text" if number % 3 else "image", f"{number}", f"text {number}") for number in range(25)
    ]

    LocalRunner(2).run(step(log=str(tmp_path / "log")), some, read, commits)

    assert len(commits.vectors) == 25
    assert sorted((tmp_path / "log").read_text().split("\n")) == ["", "image 9", "text 10", "text 6"]


def test_a_modality_that_the_model_does_not_read_is_a_failure():
    commits = Commits()
    LocalRunner(2).run(step(), [Content("a:0", "video", "film.mp4", "...")], read, commits)
    assert commits.failures["a:0"].reason == "counting reads audio, image, text, not video"


def test_a_terminal_error_commits_what_was_embedded_before(monkeypatch):
    commits, embed = Commits(), CountingEmbedder.embed
    calls = []

    def quota(self, batch):
        calls.append(len(batch))
        if len(calls) > 7:
            raise TerminalError("the quota is used up")
        return embed(self, batch)

    monkeypatch.setattr(CountingEmbedder, "embed", quota)
    with pytest.raises(TerminalError, match="the quota is used up"):
        LocalRunner(2).run(step(), contents(1000), read, commits)

    assert len(commits.vectors) == 70
    assert len(calls) <= 10


@pytest.mark.parametrize("where", ["contents", "read", "commit"])
def test_an_interrupt_commits_what_was_embedded_before(where):
    commits = Commits()

    def interrupted():
        for number, content in enumerate(contents(1000)):
            if where == "contents" and number == 500:
                raise KeyboardInterrupt
            yield content

    def read_some(content):
        if where == "read" and content.uri == "500.txt":
            raise KeyboardInterrupt
        return read(content)

    def commit(outcome):
        commits(outcome)
        if where == "commit" and len(commits) >= 400:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalRunner(2, checkpoint_rows=100).run(step(), interrupted(), read_some, commit)

    assert 400 <= len(commits) < 1000


def test_a_commit_that_fails_fails_the_run():
    def commit(_outcome):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        LocalRunner(2, checkpoint_rows=10).run(step(), contents(200), read, commit)


def test_one_model_is_made_for_all_threads(monkeypatch):
    made, init = [], CountingEmbedder.__init__

    def counted(self, *args):
        made.append(self)
        threading.Event().wait(0.02)  # long enough for every thread to ask
        init(self, *args)

    monkeypatch.setattr(CountingEmbedder, "__init__", counted)
    LocalRunner(8).run(step(), contents(100), read, Commits())
    assert len(made) == 1


def test_nothing_to_do_commits_nothing_that_counts():
    commits = Commits()
    LocalRunner(2).run(step(), [], read, commits)
    assert len(commits) == 0


def test_a_terminal_error_in_a_bisected_batch_keeps_what_its_other_parts_gave(monkeypatch):
    embed = CountingEmbedder.embed

    def stop_at_the_last(self, batch):
        if len(batch) > 2:
            raise ItemError("one of them is bad")
        if "text 7" in batch.contents:
            raise TerminalError("the key was withdrawn")
        return embed(self, batch)

    monkeypatch.setattr(CountingEmbedder, "embed", stop_at_the_last)
    commits = Commits()

    with pytest.raises(TerminalError, match="the key was withdrawn"):
        LocalRunner(1).run(step(), contents(10), read, commits)

    assert len(commits.vectors) == 7


def test_progress_is_told_batch_by_batch_and_not_only_when_a_checkpoint_is_committed():
    commits, told = Commits(), []

    LocalRunner(2).run(step(), contents(95), read, commits, lambda count: told.append((count, len(commits))))

    assert sum(count for count, _ in told) == 95
    assert len(told) == 10
    assert {committed for _, committed in told} == {0}
