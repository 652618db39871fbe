"""Weights that are replaced in place are noticed by the sensor, and not read at every tick."""

import hashlib
import os
import shutil
import time
from pathlib import Path

import dagster as dg
import pytest

from embeddings_orch import PipelineSpec, build_pipeline
from embeddings_orch_plugins.open_clip import weights

MODELS = Path(weights.__file__).parent / "models"
GALLERY = Path(__file__).resolve().parents[3] / "definitions" / "data" / "emoji"


def install(name, folder):
    """Put a model's files into a folder, with a time of an hour ago."""
    folder.mkdir(exist_ok=True)
    for file in (MODELS / name).iterdir():
        shutil.copy(file, folder)
        then = time.time() - 3600 + (name == "emoji-xs")
        os.utime(folder / file.name, (then, then))


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # As if a while had passed: the time of a file's entry is that of the copy, and nobody can set it back.
    monkeypatch.setattr("embeddings_orch.models.weights.SETTLED_SECONDS", float("-inf"))
    (tmp_path / "media").mkdir()
    for name in ("1f436", "1f431", "1f34e"):
        shutil.copy(GALLERY / f"{name}.png", tmp_path / "media")
    install("emoji-s", tmp_path / "model")
    return PipelineSpec.model_validate(
        {
            "name": "local",
            "store": {"uri": "store"},
            "media": {"path": "media"},
            "embeddings": {"clip": {"provider": "open-clip", "name": f"local-dir:{tmp_path / 'model'}"}},
            "indexes": {"found": {"vectors": ["clip"]}},
        },
        context={"base": tmp_path},
    )


@pytest.mark.process  # Dagster keeps what a step prints by processes of its own
def test_weights_replaced_in_place_are_noticed_and_not_hashed_at_every_tick(spec, tmp_path, monkeypatch):
    hashed = []
    original = hashlib.file_digest

    def counted(file, name):
        hashed.append(Path(file.name).name)
        return original(file, name)

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        definitions = build_pipeline(spec)
        job = definitions.resolve_job_def("local_pipeline")
        assert job.execute_in_process(instance=instance).success
        sensor = definitions.get_repository_def().get_sensor_def("local_model_config_sensor")
        monkeypatch.setattr(hashlib, "file_digest", counted)

        def tick(cursor):
            return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))

        cursor = None
        for _ in range(3):
            data = tick(cursor)
            cursor = data.cursor
            assert not data.run_requests
        assert hashed == []

        install("emoji-xs", tmp_path / "model")
        data = tick(cursor)
        (request,) = data.run_requests
        assert "weights_sha256" in request.tags["embeddings_orch/reason"]
        assert hashed.count("open_clip_model.safetensors") == 1
        result = (
            build_pipeline(spec)
            .resolve_job_def("local_pipeline")
            .execute_in_process(instance=instance, asset_selection=list(request.asset_selection), tags=request.tags)
        )
        assert result.success
        data = tick(data.cursor)
        assert not data.run_requests
        assert request.tags["embeddings_orch/fingerprint.clip"] in data.skip_message
        assert hashed.count("open_clip_model.safetensors") == 1
