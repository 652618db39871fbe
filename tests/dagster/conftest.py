from __future__ import annotations

import json
import os

import pytest
from PIL import Image

import warm
from homes import make_home

DEFINITIONS = """\
from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
IN_PROCESS = json.dumps({"execution": {"config": {"in_process": {}}}})


class Project:
    """A dg project of somebody else's in a folder of its own, with commands in processes of their own."""

    def __init__(self, root):
        self.root = root
        package = root / "acme"
        (package / "defs").mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "defs" / "__init__.py").touch()
        (package / "definitions.py").write_text(DEFINITIONS)
        (root / "pyproject.toml").write_text(
            '[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "acme"\n'
        )
        self.home = make_home(root / "home")

    def file(self, name):
        return self.root / "acme" / "defs" / name / "defs.yaml"

    def write(self, name, text):
        self.file(name).parent.mkdir()
        self.file(name).write_text(text)

    def command(self, *arguments, status=0, **environment):
        """Run ``dg`` or ``dagster`` of this environment in the project."""
        environment = {**os.environ, "DAGSTER_HOME": str(self.home), **environment}
        done = warm.run(*arguments, cwd=self.root, env=environment)
        assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def scaffold(self, name):
        return self.command("dg", "scaffold", "defs", "embeddings_orch.EmbeddingPipeline", name)

    def with_counting(self, name):
        """Let a scaffolded pipeline run without a model, on three pictures."""
        file = self.file(name)
        file.write_text(file.read_text().replace("provider: open-clip", "provider: counting"))
        for colour in ("red", "green", "blue"):
            Image.new("RGB", (16, 16), colour).save(file.parent / "media" / f"{colour}.png")


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def in_process():
    """Run config: all steps in one process, as the pipeline's own job does."""
    return IN_PROCESS
