"""The local runner: bounded memory, any order, and nothing that is embedded is lost."""

import threading
import time

import numpy as np
import pytest

from embeddings_orch.embedding.runners import Content
from embeddings_orch.embedding.runners.local import LocalRunner
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import (
    BudgetError,
    CancelledError,
    ItemError,
    TerminalError,
    TransientError,
    UnavailableError,
)
from embeddings_orch.models.content import Item, content_hash, content_key
from embeddings_orch.policy.packing import Limits
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder


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
        yield Content(content_key("text", content_hash(text)), "text", f"{number}.txt", content_hash(text), text)


def read(content):
    return Item(content.key, content.modality, content.text, content.uri)


CHARGED = {"per_million_tokens": 1.0}


def step(**settings):
    return EmbedStep(CountingConfig(name="toy", **{"batch_size": 10, "prices": CHARGED, **settings}))


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


def test_where_nothing_is_charged_checkpoints_follow_each_other_by_bytes():
    commits = Commits()

    LocalRunner(2, checkpoint_rows=20, checkpoint_bytes=100_000).run(
        step(prices={}, dim=100), contents(1500), read, commits
    )

    assert len(commits) == 1500
    held = [size for size in commits.sizes if size]
    # Of a vector there are 400 bytes, and its key beside it; a batch is never parted.
    assert max(held) <= 100_000 / 400 + 10
    assert min(held[:-1]) > 100
    assert len(held) <= 15


def test_vectors_that_are_charged_and_large_are_committed_by_bytes_as_well():
    commits = Commits()

    LocalRunner(2, checkpoint_bytes=100_000).run(step(dim=100), contents(1500), read, commits)

    assert max(commits.sizes) <= 260


def test_failures_alone_fill_a_checkpoint_as_well_where_nothing_is_charged():
    commits = Commits()

    def read_nothing(content):
        raise ItemError("no good")

    LocalRunner(2, checkpoint_bytes=50_000).run(step(prices={}), contents(1500), read_nothing, commits)

    assert len(commits.failures) == 1500
    assert max(commits.sizes) <= 250


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
        Content(str(number).encode(), "text" if number % 3 else "image", f"{number}", "", f"text {number}")
        for number in range(25)
    ]

    LocalRunner(2).run(step(log=str(tmp_path / "log")), some, read, commits)

    assert len(commits.vectors) == 25
    assert sorted((tmp_path / "log").read_text().split("\n")) == ["", "image 9", "text 10", "text 6"]


def test_a_modality_that_the_model_does_not_read_is_a_failure():
    commits = Commits()
    LocalRunner(2).run(step(), [Content(b"a", "video", "film.mp4", "", "...")], read, commits)
    assert commits.failures[b"a"].reason == "counting reads audio, image, text, not video"


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

    LocalRunner(2).run(step(), contents(95), read, commits, progress=lambda count: told.append((count, len(commits))))

    assert sum(count for count, _ in told) == 95
    assert len(told) == 10
    assert {committed for _, committed in told} == {0}


class Remote(CountingEmbedder):
    """Answers from threads, as a provider does; ``behave`` says what happens to a batch."""

    lock = threading.Lock()

    def __init__(self, config, behave):
        super().__init__(config)
        self.behave, self.began = behave, []

    def embed(self, batch):
        with self.lock:
            self.began.append(list(batch.contents))
        self.behave(batch)
        return super().embed(batch)


def remote(monkeypatch, behave, sleep=None, **settings):
    config = CountingConfig(name="toy", **settings)
    embedder = Remote(config, behave)
    monkeypatch.setattr("embeddings_orch.embedding.step.embedder_for", lambda _: embedder)
    return EmbedStep(config, sleep=sleep), embedder


@pytest.mark.parametrize("takes", [0.0, 0.001, 0.02])
def test_a_terminal_error_stops_within_one_request_a_worker(monkeypatch, takes):
    """Also where the refused request gives its turn to one that waits."""

    def refused(batch):
        time.sleep(takes)
        raise TerminalError("the key is wrong")

    for _ in range(10):
        step, embedder = remote(monkeypatch, refused, concurrency=8, batch_size=1)
        with pytest.raises(TerminalError, match="the key is wrong"):
            LocalRunner(8).run(step, contents(200), read, Commits())
        assert len(embedder.began) <= 8


def test_the_first_terminal_error_is_the_one_that_is_raised(monkeypatch):
    def refused(batch):
        time.sleep(0.001)
        raise TerminalError("the key is wrong")

    step, _ = remote(monkeypatch, refused, concurrency=8, batch_size=1)
    with pytest.raises(TerminalError) as caught:
        LocalRunner(8).run(step, contents(200), read, Commits())
    assert not isinstance(caught.value, CancelledError)


def test_batches_that_wait_to_try_again_do_not_hold_up_the_others(monkeypatch):
    """Four of forty batches wait until all others are done, with a concurrency of four."""
    tried, others_done, waits = set(), threading.Event(), []

    def busy(batch):
        number = int(batch.contents[0].split()[1])
        with Remote.lock:
            first = number not in tried
            tried.add(number)
        if first and number < 4:
            raise TransientError("busy", retry_after=0.5)

    def sleep(seconds):
        waits.append((seconds, others_done.wait(60)))

    finished, commits = [], Commits()
    step, _ = remote(monkeypatch, busy, sleep, concurrency=4, batch_size=1, retry={"initial_wait": 0.0})

    def progress(_):
        finished.append(len(finished))
        if len(finished) == 36:
            others_done.set()

    LocalRunner(2).run(step, contents(40), read, commits, progress=progress)

    assert len(commits.vectors) == 40
    assert waits == [(0.5, True)] * 4, "36 batches that need not wait were held up"


def test_concurrency_is_what_the_config_says(monkeypatch):
    now, most = 0, []

    def slow(batch):
        nonlocal now
        with Remote.lock:
            now += 1
            most.append(now)
        time.sleep(0.01)
        with Remote.lock:
            now -= 1

    step, _ = remote(monkeypatch, slow, concurrency=3, batch_size=1)
    LocalRunner(2).run(step, contents(40), read, Commits())
    assert max(most) == 3


def test_a_cancel_from_outside_ends_the_run_and_keeps_what_was_embedded(monkeypatch):
    def slow(batch):
        time.sleep(0.02)

    step, embedder = remote(monkeypatch, slow, concurrency=2, batch_size=1)
    commits = Commits()
    threading.Timer(0.3, step.cancel).start()
    with pytest.raises(CancelledError):
        LocalRunner(2).run(step, contents(2000), read, commits)
    assert 0 < len(commits.vectors) < 200
    # Every answer that was paid for is kept, and nobody's vector is invented.
    assert len(commits.vectors) == len(embedder.began)
    assert not commits.failures


def test_an_outage_in_the_middle_of_a_run_keeps_what_was_embedded(monkeypatch):
    def down(batch):
        if int(batch.contents[0].split()[1]) >= 30:
            raise TransientError("HTTP 503: down")

    step, embedder = remote(
        monkeypatch, down, concurrency=2, batch_size=1, retry={"max_retries": 1, "initial_wait": 0.0}
    )
    commits = Commits()
    with pytest.raises(UnavailableError, match="HTTP 503: down"):
        LocalRunner(2).run(step, contents(500), read, commits)
    answered = [call for call in embedder.began if int(call[0].split()[1]) < 30]
    # The outage may be seen while the other thread has not asked for its text yet; what was asked for is kept.
    assert len(commits.vectors) == len(answered) >= 29
    assert {failure.kind for failure in commits.failures.values()} == {"transient"}
    assert len(embedder.began) < 60


def test_a_budget_under_eight_threads_is_never_passed_and_what_was_bought_is_kept(monkeypatch):
    """A text's bound in bytes is four times what is counted: the rest of the budget is used nevertheless."""
    step, embedder = remote(
        monkeypatch,
        lambda batch: time.sleep(0.001),
        concurrency=8,
        batch_size=1,
        prices={"per_million_tokens": 1_000_000},
        max_cost_usd=100.0,
    )
    commits = Commits()
    with pytest.raises(BudgetError, match="max_cost_usd"):
        LocalRunner(8).run(step, contents(500), read, commits)
    spent = sum(-(-len(text) // 4) for call in embedder.began for text in call)
    assert 85 <= spent <= 100
    assert len(commits.vectors) == len(embedder.began)
    assert step.spent == pytest.approx(spent)


def test_requests_are_packed_by_tokens_before_they_reach_the_threads(monkeypatch):
    step, embedder = remote(monkeypatch, lambda batch: None, batch_size=10)
    monkeypatch.setattr(embedder, "limits", lambda modality: Limits(items=10, tokens=25))
    LocalRunner(2).run(step, contents(10), read, Commits())
    # "text 0" is eight tokens at the most.
    assert [len(call) for call in embedder.began] == [3, 3, 3, 1]
