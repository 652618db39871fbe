"""Several inputs, and ready-made vectors, as Dagster shows them."""

import json

import dagster as dg
import numpy as np
import pytest

from embeddings_orch import build_pipeline
from embeddings_orch.dagster.automation.record import add_unrecorded
from embeddings_orch.pipeline.automation.missing import find_missing
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.spec.yaml_file import load_pipeline

TOY, INDEX, PUBLISHED = "gallery/embeddings/toy", "gallery/index/found", "gallery/published/found"


class Runs:
    """Runs of a gallery's pipeline in one Dagster instance."""

    def __init__(self, gallery, instance):
        self.gallery, self.instance = gallery, instance

    def specs(self):
        definitions = build_pipeline(load_pipeline(self.gallery.file))
        return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}

    def materialize(self):
        definitions = build_pipeline(load_pipeline(self.gallery.file))
        done = dg.materialize([*definitions.assets, *definitions.asset_checks], instance=self.instance)
        assert done.success
        return {(one.asset_key.to_user_string(), one.check_name): one for one in done.get_asset_check_evaluations()}

    def event(self, key):
        return self.instance.get_latest_materialization_event(dg.AssetKey(key.split("/"))).asset_materialization

    def metadata(self, key):
        return {name: value.value for name, value in self.event(key).metadata.items()}

    def version(self, key):
        return self.event(key).tags["dagster/data_version"]


@pytest.fixture
def runs(gallery):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Runs(gallery, instance)


@pytest.mark.slow
def test_weights_are_shown_and_other_weights_change_the_index_and_not_the_vectors(runs):
    runs.gallery.model(input={"media": 0.7, "caption": 0.3})
    spec = runs.specs()[TOY]
    assert spec.metadata["input"] == "0.7 media + 0.3 caption"
    assert "Vectors of media, caption by counting" in spec.description
    assert "An item has the mean of its vectors: 0.7 media + 0.3 caption." in spec.description
    codes = {key: one.code_version for key, one in runs.specs().items()}
    runs.materialize()
    first = runs.metadata(TOY)
    assert (first["embedded"], first["dagster/row_count"]) == (24, 24)
    versions = {key: runs.version(key) for key in (TOY, INDEX, PUBLISHED)}

    runs.gallery.model(input={"media": 0.5, "caption": 0.5})
    need = find_missing(runs.gallery.pipeline()).need()
    assert f"{TOY}: input changed: 0.7 media + 0.3 caption -> 0.5 caption + 0.5 media" in need.reason
    assert {key for key, one in runs.specs().items() if one.code_version != codes[key]} == {INDEX}
    checks = runs.materialize()
    second = runs.metadata(TOY)
    assert (second["embedded"], second["reused"], second["requests"]) == (0, 24, 0)
    assert "input changed" in second["reason"]
    after = {key: runs.version(key) for key in versions}
    assert {key for key in versions if after[key] != versions[key]} == {INDEX, PUBLISHED}
    assert runs.metadata(PUBLISHED)["previous"] == versions[PUBLISHED]
    change = checks[INDEX, "model_change"]
    assert 0 < change.metadata["overlap"].value <= 1
    assert "![" in change.metadata["report"].value
    missing = find_missing(Pipeline(load_pipeline(runs.gallery.file)))
    assert missing.need() is None
    add_unrecorded(missing, {key: runs.version(key) for key in ("gallery/raw_media", *versions)})
    assert missing.need() is None


@pytest.mark.slow
def test_ready_made_vectors_are_counted_and_none_is_embedded(runs):
    gallery = runs.gallery
    (gallery.media / "metadata.csv").unlink()
    vectors = np.random.default_rng(0).standard_normal((12, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    lines = [{"file_name": f"p{n:03}.png", "made": one.tolist(), "caption": "c"} for n, one in enumerate(vectors)]

    def write():
        (gallery.media / "metadata.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    write()
    gallery.model(vectors="made")
    spec = runs.specs()[TOY]
    assert spec.metadata["input"] == "ready-made made"
    assert "the column made holds: taken as they are" in spec.description
    checks = runs.materialize()
    assert all(check.passed for check in checks.values())
    shown = runs.metadata(TOY)
    assert (shown["embedded"], shown["ready_made"], shown["dagster/row_count"], shown["requests"]) == (0, 12, 12, 0)
    assert (shown["reason"], shown["dimensions"], shown["cost_usd"]) == ("12 ready-made; never materialized", 8, 0)
    assert "preview" in shown
    assert "made" not in [column.name for column in runs.event(INDEX).metadata["dagster/column_schema"].schema.columns]

    before = {key: runs.version(key) for key in (TOY, INDEX)}
    runs.materialize()
    assert {key: runs.version(key) for key in before} == before
    lines[3]["made"] = (-vectors[3]).tolist()
    write()
    runs.materialize()
    assert all(runs.version(key) != before[key] for key in before)
    assert runs.metadata(TOY)["changed"] == 1
    lines[3]["made"] = [2.0, *[0.0] * 7]
    write()
    gallery.tolerate_failures()
    runs.materialize()
    (record,) = runs.event(TOY).metadata["failures"].records
    assert record.data["item"].endswith("p003.png")
    assert "has the norm 2, not 1" in record.data["reason"]
    assert gallery.calls() == []
