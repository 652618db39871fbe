"""A key is nowhere but in its environment variable and in the header that carries it, whatever goes wrong."""

import json
import os
import sqlite3

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

KEY = "sk-proj-Zq7Xw2Lk9Vb4Nm1Ty6Rd8Hs3"
SAID = {"error": {"message": f"Incorrect API key provided: {KEY}.", "type": "x", "param": None, "code": "invalid"}}
FAULTS = {
    "a refusal that repeats the key": Fault.status_code(401, SAID),
    "a bad request that repeats the key": Fault.status_code(400, SAID),
    "an outage that repeats the key": Fault.status_code(500, SAID),
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
    found = [place for place, text in texts.items() if KEY in text]
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
