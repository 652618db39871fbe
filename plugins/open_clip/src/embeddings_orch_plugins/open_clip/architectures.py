"""Model names: open_clip's architectures, read from its files; importing it would import torch."""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LOCAL_DIR = "local-dir:"
HF_HUB = "hf-hub:"
BUNDLED = ("emoji-s", "emoji-xs")
"""Small models that come with this plugin and work offline."""

CONFIG_FILE = "open_clip_config.json"
MODELS = Path(__file__).parent / "models"


@cache
def architectures() -> dict[str, Path]:
    """open_clip's architectures and the JSON file of each; empty where open_clip is not installed."""
    spec = find_spec("open_clip")
    folders = spec.submodule_search_locations or [] if spec else []
    return {path.stem: path for folder in folders for path in Path(folder, "model_configs").glob("*.json")}


def self_contained(name: str) -> bool:
    """Whether the name brings its own weights, so that ``pretrained`` does not apply."""
    return name in BUNDLED or name.startswith((LOCAL_DIR, HF_HUB))


def folder_of(name: str) -> Path | None:
    """The folder of a bundled or ``local-dir:`` model, else None."""
    if name in BUNDLED:
        return MODELS / name
    return Path(name.removeprefix(LOCAL_DIR)) if name.startswith(LOCAL_DIR) else None


def canonical_name(name: str) -> str:
    """The one spelling of a model's name: open_clip takes ``ViT-B/32`` for ``ViT-B-32``.

    Raises:
        ValueError: there is no such model; the message names the nearest.
    """
    if name.startswith(LOCAL_DIR):
        if not name.removeprefix(LOCAL_DIR):
            raise ValueError("local-dir: needs a folder, for example local-dir:models/mine")
        return name
    if name.startswith(HF_HUB):
        if len([part for part in name.removeprefix(HF_HUB).split("/") if part]) != 2:
            raise ValueError(f"{name!r} does not name a repository; write hf-hub:ORG/NAME")
        return name
    cleaned = name.replace("/", "-")
    if cleaned in BUNDLED or cleaned in architectures() or not architectures():
        return cleaned
    raise ValueError(f"there is no model {name!r}{_nearest(cleaned)}; {_list_allowed()}")


def _nearest(name: str) -> str:
    # Compared without case and underscores, which is how names are usually misspelled.
    known = {known.lower().replace("_", "-"): known for known in (*BUNDLED, *architectures())}
    close = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(known[match]) for match in close)}?" if close else ""


def _list_allowed() -> str:
    return (
        f"allowed: {', '.join(BUNDLED)}, local-dir:PATH, hf-hub:ORG/NAME, "
        f"and the {len(architectures())} architectures that open_clip.list_models() lists"
    )


def embedding_length(name: str) -> int | None:
    """The length of a model's vectors where a local file tells it, else None."""
    folder = folder_of(name)
    path = folder / CONFIG_FILE if folder else architectures().get(name)
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8")) if path else {}
        length = content.get("model_cfg", content).get("embed_dim")
    except (OSError, ValueError, AttributeError):
        return None  # loading the model says what is wrong with the file
    return length if isinstance(length, int) else None
