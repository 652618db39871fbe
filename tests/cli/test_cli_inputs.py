"""Several inputs, and ready-made vectors, on the command line."""

import json
import subprocess

import jsonschema
import pytest
import yaml


def toy(**declared):
    return {"toy": {"provider": "counting", **declared}}


def planned(cli, file, name="photos/embeddings/toy"):
    made = json.loads(cli("plan", "--file", file, "--json").output)
    return next(asset for asset in made["assets"] if asset["asset"] == name)


def edit(file, **attributes):
    data = yaml.safe_load(file.read_text())
    data["attributes"].update(attributes)
    file.write_text(yaml.safe_dump(data))


def test_a_plan_counts_the_contents_of_all_inputs(cli, declare, tmp_path):
    file = declare(tmp_path / "p", embeddings=toy(input={"media": 0.7, "caption": 0.3}))
    assert planned(cli, file)["estimate"]["contents"] == 10
    assert "10 contents to embed" in cli("plan", "--file", file).output


@pytest.mark.slow
def test_ready_made_vectors_are_planned_run_and_reported_without_cost(cli, declare, tmp_path):
    file = declare(tmp_path / "p", embeddings=toy(dim=2, vectors="made"))
    rows = [{"id": f"i{n}", "text": f"t{n}", "made": [1.0, 0.0] if n % 2 else [0.0, 1.0]} for n in range(6)]
    rows.append({"id": "bad", "text": "t", "made": [3.0, 4.0]})
    (tmp_path / "p" / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    edit(
        file,
        media={"source": "table", "path": "items.jsonl"},
        indexes={"found": {"vectors": ["toy"], "checks": {"max_failed": 0.5}}},
    )
    asset = planned(cli, file)
    # Equal vectors are one content.
    assert (asset["new"], asset["failed"], asset["estimate"]["contents"]) == (2, 1, 0)
    assert asset["reason"] == "2 ready-made; never materialized"
    assert "0 contents to embed" in cli("plan", "--file", file).output
    ran = json.loads(cli("run", "--file", file, "--json").stdout)
    (asset,) = (one for one in ran["assets"] if one["asset"] == "photos/embeddings/toy")
    assert {name: asset[name] for name in ("embedded", "reused", "failed", "requests", "cost_usd")} == {
        "embedded": 0, "reused": 2, "failed": 1, "requests": 0, "cost_usd": 0,
    }  # fmt: skip
    (failed,) = json.loads(cli("failures", "--file", file, "--json").output)["failed"]
    assert (failed["id"], failed["reason"]) == (
        "bad",
        "its 'made' has the norm 5, not 1: scale it, or set normalize: false",
    )
    found = json.loads(cli("search", "--file", file, "words", "--json").output)
    assert len(found["hits"]) == 6
    assert all("made" not in hit["metadata"] for hit in found["hits"])
    assert json.loads(cli("status", "--file", file, "--json").output)["failures"] == 1


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"input": {"media": 0.5, "caption": 0.5}}, "input changed: media -> 0.5 caption + 0.5 media"),
        ({"vectors": "made"}, "input changed: media -> ready-made made"),
        ({"vectors": "made", "dim": 4}, "model config changed: dim 8 -> 4; input changed: media -> ready-made made"),
        ({"input": {"media": 3}}, "same vectors"),
    ],
)
@pytest.mark.process
def test_against_a_revision_the_inputs_are_compared(cli, declare, tmp_path, declared, reason):
    file = declare(tmp_path / "p", embeddings=toy())
    user = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "--all"), ("commit", "-qm", "first")):
        subprocess.run(["git", *user, *arguments], cwd=file.parent, check=True)
    edit(file, embeddings=toy(**declared))
    made = json.loads(cli("plan", "--file", file, "--against", "HEAD", "--json").output)
    reasons = {asset["asset"]: asset["reason"] for asset in made["pipelines"][0]["assets"]}
    assert reasons["photos/embeddings/toy"] == reason
    index = "same table" if reason == "same vectors" else "a new table: embedding toy changed"
    assert reasons["photos/index/found"] == index


def test_the_schema_completes_both_and_refuses_both_at_once(cli):
    schema = json.loads(cli("schema").output)
    validator = jsonschema.Draft202012Validator(schema)

    def valid(**declared):
        attributes = {"name": "p", "media": {"path": "m"}, "embeddings": toy(**declared)}
        return validator.is_valid({"type": "embeddings_orch.EmbeddingPipeline", "attributes": attributes})

    assert all(valid(**one) for one in ({"input": "caption"}, {"input": {"media": 1, "caption": 2}}, {"vectors": "v"}))
    wrong = (
        {"input": {}},
        {"input": {"media": 0}},
        {"input": ["media"]},
        {"vectors": 1},
        {"vectors": "v", "input": "m"},
    )
    assert not any(valid(**one) for one in wrong)
