from __future__ import annotations

from pathlib import Path

import pytest

from embeddings_orch import plugins

TOYS = Path(__file__).parent / "toys"


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """The module of the toy embedders, installed as a distribution of its own."""
    folder = tmp_path_factory.mktemp("toys")
    info = folder / "toy_embedders-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-embedders\nVersion: 1.0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.syspath_prepend(str(TOYS))
        import toy_embedders
        import toy_remote

        entries = [f"{toy.config_class.provider} = toy_embedders:{toy.__name__}" for toy in toy_embedders.ALL
                   if toy.__name__ != "OfAnotherName"]  # fmt: skip
        entries.append("toy-hasty = toy_hasty:Hasty")
        entries += [f"{toy.config_class.provider} = toy_remote:{toy.__name__}" for toy in toy_remote.REMOTE]
        (info / "entry_points.txt").write_text("\n".join(["[embeddings_orch.embedders]", *entries, ""]))
        plugins._entry_points.cache_clear()
        yield toy_embedders
    plugins._entry_points.cache_clear()
