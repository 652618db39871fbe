"""The code blocks of LanceDB's OpenCLIP guide, with only the model's name changed.

https://docs.lancedb.com/integrations/embedding/openclip. What else is not as it stands there: the pictures are files of
ours instead of Flickr's (a test has no internet), and the first search names its column, since LanceDB 0.40 refuses to
choose one of two, with its own functions too.
"""

import io
import re
from pathlib import Path

import lancedb
import numpy as np
import pandas as pd
import pytest
from lancedb.embeddings import get_registry
from lancedb.pydantic import LanceModel, Vector
from PIL import Image

import embeddings_orch.lancedb as ours
from embeddings_orch_plugins.open_clip.architectures import MODELS

EMOJI = Path(__file__).parents[2] / "definitions" / "data" / "emoji"


@pytest.fixture(autouse=True)
def _released():
    yield
    ours.release()


def test_the_openclip_guide(tmp_path):
    db = lancedb.connect(tmp_path)
    func = get_registry().get("embeddings-orch").create(provider="open-clip", name="emoji-s")

    class Images(LanceModel):
        label: str
        image_uri: str = func.SourceField()  # image uri as the source
        image_bytes: bytes = func.SourceField()  # image bytes as the source
        vector: Vector(func.ndims()) = func.VectorField()  # vector column
        vec_from_bytes: Vector(func.ndims()) = func.VectorField()  # Another vector column

    table = db.create_table("images", schema=Images)
    labels = ["cat", "cat", "dog", "dog", "horse", "horse"]
    names = ["1f431", "1f408", "1f436", "1f415", "1f434", "1f40e"]
    uris = [str(EMOJI / f"{name}.png") for name in names]
    # get each uri as bytes
    image_bytes = [Path(uri).read_bytes() for uri in uris]
    table.add(pd.DataFrame({"label": labels, "image_uri": uris, "image_bytes": image_bytes}))

    # text search
    with pytest.raises(ValueError, match="more than one vector column"):
        table.search("man's best friend")
    actual = table.search("man's best friend", vector_column_name="vector").limit(1).to_pydantic(Images)[0]
    frombytes = table.search("man's best friend", vector_column_name="vec_from_bytes").limit(1).to_pydantic(Images)[0]
    assert (frombytes.label, frombytes.image_uri) == (actual.label, actual.image_uri)
    # The guide prints "dog". emoji-s knows the names of emoji and no English beyond them: it is asked for one.
    assert table.search("dog", vector_column_name="vector").limit(1).to_pydantic(Images)[0].label == "dog"

    # image search
    query_image = Image.open(EMOJI / "1f429.png")  # a poodle
    actual = table.search(query_image, vector_column_name="vector").limit(1).to_pydantic(Images)[0]
    assert actual.label == "dog"

    # image search using a custom vector column
    other = table.search(query_image, vector_column_name="vec_from_bytes").limit(1).to_pydantic(Images)[0]
    assert other.label == "dog"
    np.testing.assert_allclose(other.vector, other.vec_from_bytes, atol=1e-6)


def test_opaque_pictures_and_texts_have_the_vectors_of_lancedbs_own_function():
    theirs = get_registry().get("open-clip").create(name=f"local-dir:{MODELS / 'emoji-s'}", pretrained="")
    own = get_registry().get("embeddings-orch").create(provider="open-clip", name="emoji-s")
    pictures = []
    for name in ("1f431", "1f436", "1f434"):
        picture = Image.open(EMOJI / f"{name}.png").convert("RGBA")
        opaque = Image.new("RGBA", picture.size, "white")
        opaque.alpha_composite(picture)
        encoded = io.BytesIO()
        opaque.convert("RGB").save(encoded, "PNG")
        pictures.append(encoded.getvalue())
    expected, found = theirs.compute_source_embeddings(pictures), own.compute_source_embeddings(pictures)
    np.testing.assert_allclose(np.stack(found), np.stack(expected), atol=2e-4)
    (expected,), (found,) = theirs.compute_query_embeddings("a dog"), own.compute_query_embeddings("a dog")
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_the_examples_of_the_docs_run(make_gallery, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "lancedb.md").read_text()
    gallery = make_gallery(
        pictures=3, store={"uri": ".embeddings_orch"}, indexes={"emoji_search": {"vectors": ["toy"]}}
    )
    gallery.run()
    (gallery.root / "dog.png").write_bytes((EMOJI / "1f436.png").read_bytes())
    monkeypatch.chdir(gallery.root)
    python = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    exec(compile(python, "docs/lancedb.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3 + 1 + 1
    assert printed[3].startswith("missing.png the file cannot be read: No such file or directory")
    assert printed[4] == "dog.png"
