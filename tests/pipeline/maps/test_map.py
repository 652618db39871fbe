"""The maps of a generation's vectors: where each item lies, what stays in place, and what a run writes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from content_ids import ids_of
from embeddings_orch.errors import SpecError
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.maps import layout as map_layout
from embeddings_orch.pipeline.maps import rows as map_rows
from embeddings_orch.pipeline.maps import umap as map_umap
from embeddings_orch.pipeline.published.publish import hash_declaration
from embeddings_orch.spec import index as index_spec
from embeddings_orch.store.tables.vector_column import VectorColumn

DIM = 8


def declare(gallery, **index):
    gallery.declare(indexes={"found": {"vectors": ["toy"], **index}})


def build(gallery, vectors):
    """Build the index over these vectors, by file name, as if the model had made them."""
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    catalog = pipeline.catalog()
    table = pipeline.store.vectors(pipeline.spec.embeddings["toy"].config.fingerprint())
    ids = dict(zip(catalog["id"].to_pylist(), ids_of(catalog), strict=True))
    there = set(table.keys().to_pylist())
    new = {ids[name]: vector for name, vector in vectors.items() if ids[name].key not in there}
    table.append(list(new), [np.asarray(vector, np.float32) for vector in new.values()])
    return build_index(pipeline, "found")


def grown(make_gallery, vectors, **index):
    """A gallery with a picture for each vector, and the report of its index."""
    gallery = make_gallery(pictures=0)
    add(gallery, vectors)
    declare(gallery, **index)
    return gallery, build(gallery, vectors)


def add(gallery, names):
    for name in names:
        gallery.add(name)


def random_vectors(count, start=0, seed=0, scale=None):
    scale = np.linspace(3, 0.5, DIM) if scale is None else scale
    numbers = np.random.default_rng([seed, start]).normal(size=(count, DIM)) * scale + 0.7
    return {f"p{start + number:03}.png": row.astype(np.float32) for number, row in enumerate(numbers)}


def map_of(gallery, report, column="toy"):
    return gallery.pipeline().store.maps.get(report.generation.id, column)


def places(made):
    return dict(zip(made.ids.to_pylist(), made.places.tolist(), strict=True))


def by_hand(vectors, metric):
    """Coordinates and shares by numpy's singular value decomposition, up to the sign of each axis."""
    matrix = np.array([np.asarray(one, np.float64) for one in vectors.values()])
    if metric == "cosine":
        matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    centred = matrix - matrix.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    axes = [axis * np.sign(axis[np.abs(axis).argmax()]) for axis in axes[:2]]
    plane = centred @ np.array(axes).T
    low, high = np.percentile(plane, [0.5, 99.5], axis=0)
    side = (high - low).max() * 1.1
    wanted = ((plane - (low + high) / 2) / side + 0.5) * 65535
    return dict(zip(vectors, np.clip(wanted, 0, 65535), strict=True)), (singular**2 / (singular**2).sum())[:2]


@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_coordinates_are_those_of_the_singular_value_decomposition(make_gallery, metric):
    vectors = random_vectors(40)
    gallery, report = grown(make_gallery, vectors, metric=metric)

    made = map_of(gallery, report)

    wanted, shares = by_hand(vectors, metric)
    found = places(made)
    assert found.keys() == wanted.keys()
    assert max(np.abs(np.array(found[name]) - wanted[name]).max() for name in wanted) <= 1
    assert made.header.explained == pytest.approx(shares, rel=1e-5)
    assert (made.header.method, made.header.rows, made.header.points) == ("pca", 40, 40)


def test_more_dimensions_than_items_make_the_same_map(make_gallery):
    vectors = dict(list(random_vectors(40).items())[:5])
    gallery, report = grown(make_gallery, vectors, metric="l2")

    wanted, shares = by_hand(vectors, "l2")
    made = map_of(gallery, report)
    assert max(np.abs(np.array(place) - wanted[name]).max() for name, place in places(made).items()) <= 1
    assert made.header.explained == pytest.approx(shares, rel=1e-5)


def test_what_was_on_the_map_stays_in_place_when_items_come_and_go(make_gallery):
    gallery, report = grown(make_gallery, random_vectors(20))
    before = map_of(gallery, report)
    add(gallery, random_vectors(3, start=20))
    gallery.remove("p004.png")

    later = map_of(gallery, build(gallery, random_vectors(3, start=20)))

    then, now = places(before), places(later)
    assert now.keys() == (then.keys() | {"p020.png", "p021.png", "p022.png"}) - {"p004.png"}
    assert {name: now[name] for name in then if name in now} == {n: p for n, p in then.items() if n in now}
    assert later.header.explained == before.header.explained


@pytest.mark.slow
def test_the_map_is_laid_out_anew_when_there_are_more_than_twice_the_vectors(make_gallery):
    gallery, report = grown(make_gallery, random_vectors(10), metric="l2")
    first = map_of(gallery, report)
    add(gallery, random_vectors(10, start=10))
    twice = map_of(gallery, build(gallery, random_vectors(10, start=10)))
    add(gallery, random_vectors(1, start=20))
    more = map_of(gallery, build(gallery, random_vectors(1, start=20)))

    assert (first.header.fitted, twice.header.fitted, more.header.fitted) == (10, 10, 21)
    assert np.array_equal(twice.basis.axes, first.basis.axes)
    wanted, _ = by_hand({**random_vectors(10), **random_vectors(10, start=10), **random_vectors(1, start=20)}, "l2")
    assert max(np.abs(np.array(place) - wanted[name]).max() for name, place in places(more).items()) <= 1


def test_another_model_has_a_map_of_its_own(make_gallery):
    gallery, report = grown(make_gallery, random_vectors(10))
    before = map_of(gallery, report)
    gallery.model(name="another")

    later = map_of(gallery, build(gallery, random_vectors(10, seed=5)))

    assert later.header.table != before.header.table
    assert later.header.fitted == 10
    assert not np.allclose(later.basis.axes, before.basis.axes)


def test_the_same_vectors_make_the_same_map_anywhere(make_gallery):
    maps = []
    for folder in ("one", "two"):
        gallery = make_gallery(pictures=0, folder=folder)
        add(gallery, random_vectors(30))
        maps.append(map_of(gallery, build(gallery, random_vectors(30))))

    assert places(maps[0]) == places(maps[1])


def test_one_item_far_away_does_not_make_the_rest_small(make_gallery):
    vectors = {**random_vectors(250), "far.png": np.full(DIM, 1e6, np.float32)}
    gallery, report = grown(make_gallery, vectors, metric="l2")

    found = places(map_of(gallery, report))

    assert {0, 65535} & set(found.pop("far.png"))
    spread = np.ptp(np.array(list(found.values())), axis=0)
    assert spread.max() > 50_000


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_items_have_a_map(make_gallery, count):
    gallery, report = grown(make_gallery, random_vectors(count))

    found = places(map_of(gallery, report))

    assert len(found) == count
    assert len({tuple(place) for place in found.values()}) == count
    assert report.maps.problems == ()


def test_items_with_the_same_vector_lie_in_the_middle(make_gallery):
    gallery, report = grown(make_gallery, {f"p{number}.png": np.full(DIM, 0.3) for number in range(5)})

    made = map_of(gallery, report)

    assert {tuple(place) for place in made.places.tolist()} == {(32768, 32768)}
    assert made.header.explained == (0.0, 0.0)


def test_items_on_a_line_lie_on_a_line(make_gallery):
    vectors = {f"p{number}.png": np.arange(DIM) * float(number) for number in range(5)}
    gallery, report = grown(make_gallery, vectors, metric="l2")

    made = map_of(gallery, report)

    assert np.unique(made.places[:, 1]).tolist() == [32768]
    assert made.header.explained == pytest.approx((1.0, 0.0))
    assert [made.ids[int(place)].as_py() for place in np.argsort(made.places[:, 0])] == sorted(vectors)


def test_items_without_a_vector_or_with_one_that_is_not_finite_are_left_out(make_gallery):
    gallery = make_gallery(pictures=0)
    vectors = random_vectors(12)
    add(gallery, [*vectors, "without.png", "broken.png"])

    report = build(gallery, {**vectors, "broken.png": np.array([np.inf, *([1.0] * (DIM - 1))])})

    made = map_of(gallery, report)
    assert set(places(made)) == set(vectors)
    assert (made.header.rows, made.header.points) == (14, 12)
    assert np.isfinite(made.basis.axes).all()


def test_of_too_many_items_the_same_ones_are_shown_each_time(make_gallery, monkeypatch):
    monkeypatch.setattr(map_layout, "MAX_POINTS", 25)
    gallery, report = grown(make_gallery, random_vectors(60))
    before = map_of(gallery, report)
    add(gallery, random_vectors(5, start=60))

    later = map_of(gallery, build(gallery, random_vectors(5, start=60)))

    assert (before.header.points, later.header.points, later.header.rows) == (25, 25, 65)
    kept = places(before).keys() & places(later).keys()
    assert len(kept) >= 20
    assert (places(later).keys() - kept) <= {f"p{number:03}.png" for number in range(60, 65)}
    assert {name: places(later)[name] for name in kept} == {name: places(before)[name] for name in kept}


def test_axes_are_fitted_to_a_sample_and_all_items_are_placed(make_gallery, monkeypatch):
    monkeypatch.setattr(map_layout, "_FIT_ROWS", 30)
    gallery, report = grown(make_gallery, random_vectors(60))
    made = map_of(gallery, report)
    pipeline = gallery.pipeline()
    (model,) = report.generation.models
    rows = map_rows.MapRows(VectorColumn(pipeline.store.index(made.header.table), report.generation, model))

    ids, vectors = rows.sample(30)

    assert len(ids) == 30
    _, shares = by_hand(dict(zip(ids.to_pylist(), vectors, strict=True)), "cosine")
    assert made.header.explained == pytest.approx(shares, rel=1e-5)
    assert made.header.points == 60


def test_a_run_without_changes_writes_no_map(gallery):
    gallery.run()
    before = gallery.versions()
    assert before["maps"]

    gallery.run()

    assert gallery.versions() == before


@pytest.mark.slow
def test_each_vector_column_has_a_map(gallery):
    gallery.model("words", input="caption", name="words", dim=6)
    declare(gallery, vectors=["toy", "words"])

    report = gallery.run().indexes["found"]

    assert [one.column for one in report.maps.maps] == ["toy", "words"]
    for column in ("toy", "words"):
        assert sorted(map_of(gallery, report, column).ids.to_pylist()) == sorted(gallery.rows())
    toy, words = str(report.maps).split("; ")
    assert toy.startswith("toy: PCA, ")
    assert words.endswith(" of the variance")


@pytest.mark.slow
def test_a_generation_that_was_built_without_a_map_gets_one_by_the_next_run(gallery):
    first = gallery.run().indexes["found"]
    wanted = places(map_of(gallery, first))
    gallery.pipeline().store.drop("maps")

    again = gallery.run().indexes["found"]

    assert again.generation.id == first.generation.id
    assert places(map_of(gallery, again)) == wanted
    before = gallery.versions()
    gallery.run()
    assert gallery.versions() == before


@pytest.mark.slow
def test_no_map_is_made_where_none_is_wanted_and_the_table_stays_when_it_is(gallery):
    declare(gallery, map="none")
    first = gallery.run().indexes["found"]
    assert "maps" not in gallery.versions()
    assert str(first.maps) == "none"

    declare(gallery, map="pca")
    assert not any(asset.changes for asset in gallery.plan().values())
    gallery.forget_calls()
    again = gallery.run().indexes["found"]

    assert (again.generation.id, again.built, gallery.calls()) == (first.generation.id, False, [])
    assert len(places(map_of(gallery, again))) == 12


def test_a_map_that_cannot_be_kept_stops_nothing(gallery):
    store = Path(gallery.pipeline().spec.store.uri)
    store.mkdir()
    (store / "maps.lance").write_text("no table")

    ran = gallery.run()

    assert ran.published["found"].changed
    assert len(gallery.rows()) == 12
    (problem,) = ran.indexes["found"].maps.problems
    assert problem.startswith("toy: no map could be made: ")
    assert "maps" in problem
    (store / "maps.lance").unlink()
    assert len(places(map_of(gallery, gallery.run().indexes["found"]))) == 12


def needs(gallery, hours=2.0):
    return Needs(gallery.pipeline(), clock=lambda: datetime.now(UTC) + timedelta(hours=hours))


def remove(gallery, hours=2.0):
    asked = needs(gallery, hours)
    return collect(asked, make_gc(asked))


def generations_with_maps(gallery):
    return {one.generation for one in gallery.pipeline().store.maps.headers()}


@pytest.mark.slow
def test_gc_removes_a_map_with_its_generation(gallery):
    declare(gallery, keep_generations=1)
    ids = []
    for number in range(3):
        gallery.add(f"new{number}.png")
        ids.append(gallery.run().indexes["found"].generation.id)
    assert generations_with_maps(gallery) == set(ids)

    remove(gallery)

    assert generations_with_maps(gallery) == {ids[-1]}
    assert [one for one in make_gc(needs(gallery)).garbage if one.kind == "map"] == []


@pytest.mark.slow
def test_gc_removes_a_map_that_was_left_behind_once_nobody_can_be_at_it(gallery):
    declare(gallery, keep_generations=1)
    first = gallery.run().indexes["found"].generation.id
    gallery.add("new.png")
    second = gallery.run().indexes["found"].generation.id
    store = gallery.pipeline().store
    # As a gc leaves it that is killed in between.
    store.generations.remove([first])

    assert [one for one in make_gc(needs(gallery, hours=0)).garbage if one.kind == "map"] == []
    listed = [one for one in make_gc(needs(gallery)).garbage if one.kind == "map"]
    assert [(one.name, one.index, one.why) for one in listed] == [(first, "gallery/found", "its generation is gone")]
    report = remove(gallery)

    assert ("map", first) in {(one.kind, one.name) for one in report.removed}
    assert generations_with_maps(gallery) == {second}


def test_gc_leaves_the_maps_of_other_pipelines_alone(gallery):
    gallery.run()
    one = gallery.pipeline().store.maps.headers()[0]
    gallery.pipeline().store.generations.remove([one.generation])
    gallery.declare(name="other")

    remove(gallery)

    assert generations_with_maps(gallery) == {one.generation}


@pytest.mark.slow
def test_gc_forgets_the_maps_of_a_table_that_goes(gallery):
    gallery.run()
    old = generations_with_maps(gallery)
    gallery.model(name="b")
    gallery.run()
    gallery.model(name="c")
    declare(gallery, keep_generations=1)
    last = gallery.run().indexes["found"].generation.id

    remove(gallery)

    assert old & generations_with_maps(gallery) == set()
    assert last in generations_with_maps(gallery)


def test_another_map_is_no_other_index_and_ends_no_hold(gallery):
    before = gallery.pipeline().spec.index_version("found")
    held = hash_declaration(gallery.pipeline(), "found")
    declare(gallery, full_text=["caption"], map="none")

    assert gallery.pipeline().spec.index_version("found") == before
    assert hash_declaration(gallery.pipeline(), "found") == held


def test_a_map_that_there_is_not_is_refused(gallery):
    declare(gallery, map="tsne")

    with pytest.raises(SpecError, match=r"'pca', 'umap' or 'none'"):
        gallery.pipeline()


def test_umap_without_its_package_is_refused_with_what_to_install(gallery, monkeypatch):
    def version(name):
        raise index_spec.PackageNotFoundError(name)

    monkeypatch.setattr(index_spec, "version", version)
    declare(gallery, map="umap")

    with pytest.raises(SpecError, match=r"pip install 'embeddings-orch\[umap\]'"):
        gallery.pipeline()


@pytest.fixture
def umap(monkeypatch):
    """UMAP, with the loops over neighbours interpreted: to compile them takes ten seconds, and some points a moment."""
    umap = pytest.importorskip("umap", reason="umap-learn is not installed")
    for name in ("fast_knn_indices", "smooth_knn_dist", "compute_membership_strengths"):
        compiled = getattr(umap.umap_, name)
        monkeypatch.setattr(umap.umap_, name, getattr(compiled, "py_func", compiled))
    return umap


def clusters(count, start=0, seed=0):
    """Vectors around two far points, by turns."""
    numbers = np.random.default_rng([seed, start])
    return {
        f"p{start + number:03}.png": (numbers.normal(size=DIM) * 0.2 + (5 if number % 2 else -5)).astype(np.float32)
        for number in range(count)
    }


@pytest.mark.slow
def test_umap_lays_out_neighbours_together(umap, make_gallery):
    vectors = clusters(60)
    gallery, report = grown(make_gallery, vectors, metric="l2", map="umap")

    made = map_of(gallery, report)

    assert (made.header.method, made.header.explained) == ("umap", None)
    assert str(report.maps) == "toy: UMAP"
    assert set(places(made)) == set(vectors)
    found = places(made)
    points = np.array([found[name] for name in sorted(vectors)], float)
    far = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(far, np.inf)
    assert (far.argmin(axis=1) % 2 == np.arange(60) % 2).all()


@pytest.mark.slow
def test_umap_keeps_in_place_what_has_the_same_vector(umap, make_gallery):
    gallery, report = grown(make_gallery, clusters(40), metric="l2", map="umap")
    before = places(map_of(gallery, report))
    versions = gallery.versions()
    build(gallery, {})
    assert gallery.versions() == versions
    add(gallery, clusters(4, start=40))
    # Another picture under the same name: it moves to its new neighbours.
    gallery.add("p000.png", (gallery.media / "p040.png").read_bytes())

    report = build(gallery, clusters(4, start=40))

    later = places(map_of(gallery, report))
    assert {name: later[name] for name in before if name != "p000.png"} == {
        name: place for name, place in before.items() if name != "p000.png"
    }
    assert later["p000.png"] == later["p040.png"]
    groups = [np.array([before[name] for name in sorted(before)][turn::2], float) for turn in (0, 1)]
    for number in range(40, 44):
        distances = [np.linalg.norm(group - later[f"p{number:03}.png"], axis=1).min() for group in groups]
        assert int(np.argmin(distances)) == number % 2


def test_umap_lays_out_a_sample_and_places_the_rest(umap, make_gallery, monkeypatch):
    monkeypatch.setattr(map_umap, "ANCHORS", 30)
    vectors = clusters(60)
    gallery, report = grown(make_gallery, vectors, metric="l2", map="umap")

    found = places(map_of(gallery, report))

    assert found.keys() == vectors.keys()
    even, odd = (np.array([found[name] for name in sorted(vectors)][turn::2], float) for turn in (0, 1))
    across = np.linalg.norm(even[:, None] - odd[None], axis=2)
    assert across.min() > max(np.ptp(even, axis=0).max(), np.ptp(odd, axis=0).max()) / 10


def test_a_few_items_are_laid_out_by_their_components_where_umap_is_wanted(umap, make_gallery):
    gallery, report = grown(make_gallery, clusters(6), map="umap")

    assert map_of(gallery, report).header.method == "pca"
    assert report.maps.problems == ()
    versions = gallery.versions()
    build(gallery, {})
    assert gallery.versions() == versions


@pytest.mark.slow
def test_another_method_is_taken_by_the_next_run_and_the_table_stays(umap, make_gallery):
    gallery, first = grown(make_gallery, clusters(30), metric="l2")
    declare(gallery, metric="l2", map="umap")

    again = build(gallery, {})

    assert (again.generation.id, again.built) == (first.generation.id, False)
    assert map_of(gallery, again).header.method == "umap"
