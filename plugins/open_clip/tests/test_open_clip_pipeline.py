"""A whole pipeline with emoji-s: good pictures, bad pictures, texts, search by words and by picture."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_embedding, check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.pipeline import PipelineSpec

GALLERY = Path(__file__).resolve().parents[3] / "definitions" / "data" / "emoji"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    root = tmp_path_factory.mktemp("pipeline")
    media = root / "media"
    media.mkdir()
    dog = Image.open(GALLERY / "1f436.png").convert("RGBA")
    flat = Image.new("RGBA", dog.size, (255, 255, 255, 255))
    flat.alpha_composite(dog)
    rgb = flat.convert("RGB")
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held on its side: upright is a quarter turn on
    files = {
        "dog.png": (GALLERY / "1f436.png").read_bytes(),
        "cmyk.jpg": encoded(rgb.convert("CMYK"), "JPEG", quality=95),
        "exif.jpg": encoded(rgb.rotate(90, expand=True), "JPEG", quality=95, exif=turned),
        "animated.gif": encoded(rgb, "GIF", save_all=True, append_images=[Image.new("RGB", rgb.size)]),
        "sixteen.png": encoded(Image.fromarray(np.asarray(rgb.convert("L"), dtype=np.uint16) * 257), "PNG"),
        "banana.png": (GALLERY / "1f34c.png").read_bytes(),
        "car.png": (GALLERY / "1f697.png").read_bytes(),
        "note.txt": b"a yellow banana",
        "empty.png": b"",
        "corrupt.png": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        "truncated.jpg": encoded(rgb.resize((400, 400)), "JPEG")[:900],
        "renamed.png": b"these are words",
    }
    for name, data in files.items():
        (media / name).write_bytes(data)
    spec = PipelineSpec.model_validate(
        {
            "name": "mixed",
            "store": {"uri": str(root / "store")},
            "media": {"path": str(media)},
            "embeddings": {"clip": {"provider": "open-clip", "name": "emoji-s"}},
            "indexes": {"found": {"vectors": ["clip"], "checks": {"max_failed": 1}}},
        }
    )
    made = Pipeline(spec)
    scan_media(made)
    embed(made, "clip")
    build_index(made, "found")
    check_index(made, "found")
    publish(made, "found")
    return made


@pytest.fixture(scope="module")
def vectors(pipeline: Pipeline) -> dict[str, np.ndarray]:
    pointer = pipeline.store.published.get("mixed", "found").generation
    generation = pipeline.store.generations.get(pointer or "")
    assert generation is not None
    rows = pipeline.store.index(generation.table).at(generation.version).to_arrow().to_pylist()
    return {row["id"]: None if row["clip"] is None else np.array(row["clip"]) for row in rows}


def test_bad_pictures_are_in_the_index_without_a_vector_and_in_the_failures_with_their_reason(pipeline, vectors):
    bad = {"empty.png", "corrupt.png", "truncated.jpg", "renamed.png"}
    assert {name for name, vector in vectors.items() if vector is None} == bad
    failures = pipeline.store.failures.of(pipeline.spec.embeddings["clip"].config.fingerprint())
    assert {Path(failure.uri).name for failure in failures.values()} == bad
    assert all(failure.reason and failure.kind == "item" for failure in failures.values())


def test_the_share_of_failures_is_shown_and_nothing_is_tried_again(pipeline):
    share = {check.name: check for check in check_embedding(pipeline, "clip")}["failed_share"]
    assert share.metadata["failed"] == 4
    again = embed(pipeline, "clip")
    assert (again.embedded, again.usage.requests) == (0, 0)


@pytest.mark.parametrize(
    ("name", "least"), [("cmyk.jpg", 0.97), ("exif.jpg", 0.97), ("animated.gif", 0.97), ("sixteen.png", 0.5)]
)
def test_a_picture_in_another_form_is_still_the_dog(vectors, name, least):
    assert vectors[name] @ vectors["dog.png"] > least
    assert vectors[name] @ vectors["dog.png"] > vectors[name] @ vectors["car.png"] + 0.2


def test_words_find_pictures_and_texts_of_the_same_thing(pipeline):
    index = Index(pipeline.store, "mixed", "found")
    assert index.search("car").hits[0].id == "car.png"
    assert {hit.id for hit in index.search("banana", limit=2).hits} == {"banana.png", "note.txt"}
    index.close()


def test_the_plan_names_the_model_that_was_exchanged_and_not_only_its_digest(pipeline):
    settings = {**pipeline.spec.model_dump(mode="json")}
    settings["embeddings"]["clip"] = {"provider": "open-clip", "name": "emoji-xs"}
    other = Pipeline(PipelineSpec.model_validate(settings))

    reason = {asset.asset: asset.reason for asset in make_plan(other).assets}["mixed/embeddings/clip"]

    assert reason.startswith("model config changed: name emoji-s -> emoji-xs, weights_sha256 ")
