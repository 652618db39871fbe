"""Random histories of edits, model changes, rollbacks and clean-ups: what is kept can be searched and gone back to."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from embeddings_orch.errors import PublishRefusedError
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.plan.status import list_generations
from embeddings_orch.pipeline.published.publish import release
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.search import Index


class History:
    """A gallery to which things happen; remembers the ids that each generation holds."""

    def __init__(self, gallery, seed):
        self.gallery = gallery
        self.random = random.Random(seed)
        self.contents = {}
        self.hours = 0.0
        self.did = []

    def pointer(self):
        return self.gallery.pipeline().store.published.get("gallery", "found")

    def searched(self):
        index = Index(self.gallery.pipeline().store, "gallery", "found")
        results = index.search("x", limit=100)
        return results.generation, {hit.id for hit in results.hits}

    def run(self):
        ran = self.gallery.run()
        self.contents[ran.indexes["found"].generation.id] = set(self.gallery.captions)

    def add(self):
        name = f"new{len(self.did)}.png"
        self.gallery.add(name, caption=name)
        self.run()

    def delete(self):
        self.gallery.remove(self.random.choice(sorted(self.gallery.captions)))
        self.run()

    def model(self):
        self.gallery.model(name=self.random.choice("abc"))
        self.run()

    def keep(self):
        index = self.gallery.attributes["indexes"]["found"]
        self.gallery.declare(indexes={"found": {**index, "keep_generations": self.random.choice([1, 2, 3])}})
        self.run()

    def back(self):
        self.attempt(lambda pipeline: rollback(pipeline, "found"))

    def anywhere(self):
        listed = list_generations(self.gallery.pipeline(), "found")["generations"]
        number = str(self.random.randint(1, len(listed)))
        self.attempt(lambda pipeline: rollback(pipeline, "found", number))

    def release(self):
        self.attempt(lambda pipeline: release(pipeline, "found"))

    def attempt(self, action):
        before = self.pointer()
        try:
            action(self.gallery.pipeline())
        except PublishRefusedError:
            assert self.pointer() == before

    def gc(self):
        self.hours += self.random.choice([0.0, 2.0])
        before = self.pointer()
        hours = self.hours
        needs = Needs(
            self.gallery.pipeline(),
            clock=lambda: datetime.now(UTC) + timedelta(hours=hours),
            apart=timedelta(0),
        )
        plan = make_gc(needs)
        report = collect(needs, plan)
        assert report.left == []
        assert self.pointer() == before
        left = {one.id for one in self.gallery.pipeline().store.generations.of("gallery", "found")}
        assert left == plan.kept
        assert before.generation in left
        worth = [one for one in make_gc(needs).garbage if one.kind != "versions"]
        assert worth == [], "a second one finds something"
        changed = {asset.asset for asset in self.gallery.plan().values() if asset.changes}
        assert "gallery/index/found" not in changed

    def step(self):
        action = self.random.choice(
            [self.add, self.delete, self.model, self.model, self.keep, self.back, self.anywhere, self.release, self.gc]
        )
        self.did.append(action.__name__)
        action()
        assert self.searched() == (self.pointer().generation, self.contents[self.pointer().generation])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 3, *(pytest.param(n, marks=pytest.mark.soak) for n in (1, 2, *range(4, 40)))])
def test_gc_breaks_neither_search_nor_any_rollback_that_is_listed(make_gallery, seed):
    history = History(make_gallery(pictures=5), seed)
    history.run()
    for _ in range(10):
        history.step()
    history.gc()

    listed = list_generations(history.gallery.pipeline(), "found")["generations"]
    assert listed
    for row in listed:
        if row["passed"]:
            rollback(history.gallery.pipeline(), "found", row["generation"])
            assert history.searched() == (row["generation"], history.contents[row["generation"]]), history.did
