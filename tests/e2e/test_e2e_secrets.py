"""A key is nowhere but in its environment variable and in the header that carries it, whatever goes wrong."""

import base64
import json
import os
import sqlite3
from urllib.parse import quote

import lancedb
import pytest
import yaml
from pydantic import ValidationError

import warm
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch_plugins.openai import OpenAIConfig
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.openai import OpenAIServer
from homes import make_home

KEY = "sk-proj-Zq7Xw2Lk9Vb4/Nm1+Ty6Rd8Hs3"
BASIC = base64.b64encode(f"a-user:{KEY}".encode()).decode()
PASSWORD, SIGNATURE = "of.the.proxy", "0f1e2d3c4b5a"
FORMS = {
    "as it is": f"Incorrect API key provided: {KEY}.",
    "its middle left out": f"{KEY[:11]}…{KEY[-4:]}",
    "with stars": f"{KEY[:3]}********{KEY[-5:]}",
    "Basic authentication": f"Authorization: Basic {BASIC}",
    "percent-encoded": f"/v1?key={quote(KEY, safe='')}",
    "in hex": KEY.encode().hex(),
    "as JSON": json.dumps({"key": KEY.replace("/", "\\/")}),
    "folded": f"{KEY[:15]}\n  {KEY[15:]}",
    "in an address": f"https://proxy:{PASSWORD}@loopback.example/v1",
    "signed": f"https://loopback.example/v1?X-Amz-Signature={SIGNATURE}&a=b",
    "its end": f"a key that ends with {KEY[-12:]}",
}
TRACES = {
    *(KEY, KEY[:14], KEY[:20], KEY[-10:], f"{KEY[:11]}…", f"{KEY[-4:]}", BASIC, BASIC[12:40], quote(KEY, safe="")),
    *(KEY.encode().hex(), KEY.encode().hex()[10:40], KEY.replace("/", "\\/"), KEY[15:], PASSWORD, SIGNATURE),
}
"""What of the forms must be found nowhere."""


def refusal(status, *forms):
    error = {"message": "; ".join(FORMS[form] for form in forms), "type": "x", "param": None, "code": "invalid"}
    return Fault.status_code(status, {"error": error})


FAULTS = {
    "a refusal": refusal(401, "as it is", "its middle left out", "with stars", "Basic authentication", "folded"),
    "a bad request": refusal(400, "as it is", "percent-encoded", "in hex", "as JSON", "in an address", "signed"),
    "an outage": refusal(500, "as it is", "its end", "in an address", "Basic authentication", "with stars"),
    "a page of a proxy that repeats the key": Fault.page(f"<html><title>{KEY}</title></html>"),
    "a reset": Fault.reset(),
}


@pytest.fixture
def project(tmp_path):
    """A pipeline of ten texts over a loopback server that wants the key."""
    (tmp_path / "texts.csv").write_text("id,text\n" + "".join(f"{n},text number {n}\n" for n in range(10)))
    with OpenAIServer() as server:
        server.key = KEY
        model = {"provider": "openai", "input": "text", "base_url": server.url, "api_key_env": "A_KEY",
                 "dimensions": 64, "retry": {"max_retries": 1, "initial_wait": 0.01}}  # fmt: skip
        attributes = {
            "name": "texts",
            "store": {"uri": "store"},
            "media": {"source": "table", "path": "texts.csv"},
            "embeddings": {"words": model},
            "indexes": {"found": {"vectors": ["words"], "checks": {"max_failed": 1}}},
        }
        file = tmp_path / "defs.yaml"
        file.write_text(yaml.safe_dump({"type": "embeddings_orch.EmbeddingPipeline", "attributes": attributes}))
        yield tmp_path, server


def command(folder, *arguments):
    environment = {**os.environ, "A_KEY": KEY, "DAGSTER_HOME": str(folder / "home"), "PYTHONWARNINGS": "always"}
    if not (folder / "home").exists():
        make_home(folder / "home")
    done = warm.run("embeddings-orch", *arguments, "--file", folder / "defs.yaml", cwd=folder, env=environment)
    number = len(list(folder.glob("*.said")))
    (folder / f"{number}.said").write_text(f"{arguments}\n{done.stdout}\n{done.stderr}")
    return done


def everything(folder):
    """All that the commands left, as text by place: files, the rows of Dagster's databases, the store's tables."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes().decode("utf-8", "replace")
        if path.is_file() and path.suffix == ".db":
            with sqlite3.connect(path) as database:
                yield f"{path.name}, as SQL", "\n".join(database.iterdump())
    store = lancedb.connect(folder / "store")
    for name in store.list_tables().tables:
        yield f"the table {name}", str(store.open_table(name).to_arrow().to_pylist())


@pytest.mark.process
def test_no_key_is_left_anywhere(project):
    folder, server = project
    for fault in FAULTS.values():
        server.faults.always(fault)
        command(folder, "run", "--report", "report.json")
    command(folder, "doctor")
    server.faults.always(None)
    server.reject = "number 3"
    done = command(folder, "run", "--json", "--report", "report.xml")
    assert json.loads(done.stdout)["success"] is True, done.stderr
    for arguments in (("plan",), ("search", "text number 1"), ("status", "--json"), ("failures",)):
        assert command(folder, *arguments).returncode == 0
    texts = dict(everything(folder))
    assert any("Incorrect API key provided" in text for text in texts.values()), "the provider's words are lost"
    assert any("number 3" in text for place, text in texts.items() if place.startswith("the table"))
    found = {(place, trace) for place, text in texts.items() for trace in TRACES if trace in text}
    assert not found, f"the key is in {found}"
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    assert not [request for request in server.requests if KEY in request.path or KEY in str(request.query)]


@pytest.mark.process
def test_a_key_in_the_declaration_is_refused_without_showing_it(project):
    folder, _ = project
    text = (folder / "defs.yaml").read_text()
    for wrong in (f"api_key: {KEY}", f"api_key_env: {KEY}"):
        (folder / "defs.yaml").write_text(text.replace("api_key_env: A_KEY", wrong))
        done = command(folder, "plan")
        said = done.stdout + done.stderr
        assert done.returncode != 0
        assert "defs.yaml" in said
        assert "environment variable" in said
        assert KEY not in said


@pytest.mark.parametrize("wrong", [{"api_key": KEY}, {"api_key_env": KEY}])
def test_a_key_in_python_is_refused_without_showing_it(wrong):
    with pytest.raises(ValidationError, match="environment variable") as refused:
        OpenAIConfig(**wrong)
    assert KEY not in str(refused.value)
    with pytest.raises(ValidationError, match="environment variable") as refused:
        PipelineSpec(name="p", media={"path": "m"}, embeddings={"e": {"provider": "openai", **wrong}})
    assert KEY not in str(refused.value)
