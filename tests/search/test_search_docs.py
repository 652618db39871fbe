"""The Python of the pages about search runs as it stands there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(page):
    return [
        block for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL) if "index" in block
    ]


@pytest.fixture
def project(make_gallery, monkeypatch):
    """A project with the items and indexes that the pages name."""
    gallery = make_gallery(pictures=2)
    gallery.add("car.jpg", caption="a red car")
    gallery.add("1f34e.png", caption="red fruit, a dog's apple")
    gallery.add("dog.png", caption="a dog")
    index = {"vectors": ["clip"], "full_text": ["caption"]}
    (clip,) = gallery.attributes["embeddings"].values()
    gallery.declare(embeddings={"clip": clip}, indexes={"photo_search": index, "emoji_search": index})
    gallery.run()
    (gallery.root / "definitions" / "defs").mkdir(parents=True)
    gallery.file.rename(gallery.root / "definitions" / "defs" / "defs.yaml")
    (gallery.root / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "definitions"\n')
    return gallery


@pytest.mark.slow
def test_the_examples_of_the_docs_run(project, monkeypatch, capsys):
    declared = project.root / "definitions" / "defs" / "defs.yaml"
    declared.write_text(declared.read_text().replace("uri: store", f"uri: {project.root / 'store'}"))
    monkeypatch.chdir(project.root)
    (project.root / "dog.png").write_bytes((project.media / "dog.png").read_bytes())
    python = "\n".join(blocks("docs/search.md"))
    assert "params={" in python
    exec(compile(python, "docs/search.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.slow
def test_the_example_of_the_readme_runs(project, monkeypatch, capsys):
    project.declare()  # the YAML again, beside the media
    monkeypatch.chdir(project.root)
    (example,) = [block for block in blocks("README.md") if "Index.open" in block]
    exec(compile(example.replace('{"least": 640}', '{"least": 4}'), "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 5
