"""Sounds beside pictures, through all steps, and where people look at items."""

import io
import math
import wave

import pytest
from PIL import Image

from embeddings_orch.errors import PublishRefusedError
from embeddings_orch.media.sources.folder import FolderSource
from embeddings_orch.models.content import content_hash
from embeddings_orch.pipeline.checks.change_report import change_report
from embeddings_orch.pipeline.checks.run import inspect_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.embeddings.preview import preview
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.search import Index
from embeddings_orch.search.contact_sheet import Strip, contact_sheet
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder

SOUNDS = ("bark.wav", "more/meow.wav")


def wav(hertz):
    encoded = io.BytesIO()
    with wave.open(encoded, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        tone = (round(20_000 * math.sin(2 * math.pi * hertz * step / 8000)) for step in range(800))
        file.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in tone))
    return encoded.getvalue()


@pytest.fixture
def mixed(make_gallery):
    """Four pictures and two sounds, both kinds asked for."""
    gallery = make_gallery(pictures=4, media={"path": "media", "include": ["**/*.{png,wav}"]})
    gallery.model(decode=True)
    for number, name in enumerate(SOUNDS):
        gallery.add(name, wav(440 + 220 * number), caption=f"sound {number}")
    return gallery


@pytest.fixture
def read(monkeypatch):
    """The files that were read, by name."""
    names = []
    reads = FolderSource.read
    monkeypatch.setattr(FolderSource, "read", lambda self, uri: (names.append(uri), reads(self, uri))[1])
    return names


def opened(gallery):
    return Index(gallery.pipeline().store, "gallery", "found")


def sounds_in(names):
    return [name for name in names if name.endswith(".wav")]


@pytest.mark.slow
def test_sounds_are_embedded_indexed_and_found(mixed):
    ran = mixed.run()
    assert (ran.scan.passed_over, ran.scan.problems, ran.embedded()) == ((), [], 6)
    assert sorted(mixed.calls()) == [("audio", 2), ("image", 4)]
    row = mixed.rows()["more/meow.wav"]
    assert (row["modality"], row["mime"], row["width"], row["height"]) == ("audio", "audio/wav", None, None)
    assert (row["caption"], row["content_hash"]) == ("sound 1", content_hash(wav(660)))
    vector = CountingEmbedder(CountingConfig(name="toy"))._vector(wav(660))
    hits = opened(mixed).search(vector=vector, limit=6).hits
    assert (hits[0].id, hits[0].score) == ("more/meow.wav", pytest.approx(1, abs=1e-5))
    assert {hit.id for hit in opened(mixed).search("a dog").hits} >= set(SOUNDS)

    mixed.forget_calls()
    assert mixed.run().embedded() == 0
    mixed.add("bark.wav", wav(880))
    assert mixed.run().embedded() == 1
    assert mixed.calls() == [("audio", 1)]


def test_the_price_of_a_picture_is_not_a_sounds(mixed):
    mixed.model(prices={"per_image": 1.0})
    estimate = mixed.plan()["embeddings/toy"].estimate
    assert (estimate.contents, estimate.cost_usd) == (6, 4.0)
    assert mixed.run().embeddings["toy"].cost_usd == 4.0


@pytest.mark.slow
def test_a_golden_query_can_expect_a_sound(mixed):
    mixed.run()
    found = [hit.id for hit in opened(mixed).search("a dog").hits]
    golden = [{"query": "a dog", "expect": ["bark.wav"], "within": found.index("bark.wav") + 1}]
    mixed.declare(indexes={"found": {"vectors": ["toy"], "checks": {"golden": golden}}})
    mixed.run()
    (result,) = [one for one in inspect_index(mixed.pipeline(), "found").results if one.name == "golden"]
    assert result.passed
    assert result.metadata["findings"][0]["found"] == f"is at place {found.index('bark.wav') + 1}"


@pytest.mark.slow
def test_sounds_in_a_folder_of_pictures_are_no_failures_of_a_model_that_reads_none(mixed, monkeypatch):
    monkeypatch.setattr(CountingEmbedder, "modalities", frozenset({"image", "text"}))
    asked = mixed.attributes["media"]
    mixed.declare(media={"path": "media"})
    ran = mixed.run()
    assert (sum(kind.count for kind in ran.scan.passed_over), ran.embedded()) == (2, 4)
    assert ran.embeddings["toy"].failed == 0
    assert set(mixed.rows()) == {f"p00{number}.png" for number in range(4)}

    mixed.declare(media=asked)
    with pytest.raises(PublishRefusedError, match="2 of 6 items have no vector"):
        mixed.run()
    failures = embed(mixed.pipeline(), "toy").delta.failures.values()
    assert {failure.reason for failure in failures} == {"counting reads image, text, not audio"}


def test_a_table_names_sounds(mixed):
    rows = [f"{number},media/{name}" for number, name in enumerate((*SOUNDS, "p000.png"))]
    (mixed.root / "list.csv").write_text("\n".join(["id,uri", *rows]))
    mixed.declare(media={"source": "table", "path": "list.csv"}, indexes={"found": {"vectors": ["toy"]}})
    assert mixed.run().embedded() == 3
    assert {key: row["modality"] for key, row in mixed.rows().items()} == {"0": "audio", "1": "audio", "2": "image"}


def test_the_preview_names_sounds_and_does_not_read_them(mixed, read):
    mixed.run()
    read.clear()
    drawn = Image.open(io.BytesIO(preview(mixed.pipeline(), "toy")))
    assert drawn.format == "JPEG"
    assert drawn.width % 110 == 0  # cells that words fit in
    assert sounds_in(read) == []
    assert len(read) == 4


@pytest.mark.slow
def test_the_report_of_a_change_names_sounds_and_does_not_read_them(mixed, read):
    mixed.run()
    mixed.model(name="another")
    embed(mixed.pipeline(), "toy")
    build_index(mixed.pipeline(), "found")
    checked = inspect_index(mixed.pipeline(), "found")
    read.clear()
    report = change_report(mixed.pipeline(), checked.change)
    assert "bark.wav" in report
    assert "more/meow.wav" in report
    assert "![p000.png][t" in report
    assert not [line for line in report.splitlines() if line.startswith("[t") and ".wav" in line]
    assert sounds_in(read) == []


def test_a_contact_sheet_has_a_sounds_name_in_place_of_a_picture(mixed, read, tmp_path):
    mixed.run()
    read.clear()
    source = mixed.pipeline().source
    tiles = []
    for caption in ("sound 0", "sound 1"):
        found = opened(mixed).search("a dog", where=f"caption = '{caption}'")
        with Image.open(contact_sheet([Strip("a dog", found)], source.read, tmp_path / "one.png", columns=1)) as sheet:
            tile = sheet.convert("L").crop((150, 52, 150 + 100, 52 + 100))
            tiles.append(tile.tobytes())
            assert min(tile.tobytes()) < 100  # ink
    assert tiles[0] != tiles[1]
    assert read == []
