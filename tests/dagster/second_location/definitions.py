"""A code location of somebody else's, with an asset that embeds by itself."""

from pathlib import Path

import dagster as dg
import numpy as np
from PIL import Image

from embeddings_orch_plugins.open_clip.resources import OpenClipResource


@dg.asset(kinds={"python"})
def signs() -> list[str]:
    """Three plain signs, as files."""
    folder = Path(dg.EnvVar("SIGNS").get_value("signs"))
    folder.mkdir(parents=True, exist_ok=True)
    for colour in ("red", "green", "blue"):
        Image.new("RGB", (64, 64), colour).save(folder / f"{colour}.png")
    return sorted(str(path) for path in folder.glob("*.png"))


@dg.asset
def nearest_colour(signs: list[str], clip: OpenClipResource) -> dg.MaterializeResult[dict[str, str]]:
    """For each sign the word that the model finds nearest."""
    words = ["red", "green", "blue"]
    scores = clip.embed_images(signs) @ clip.embed_texts([f"a {word} square" for word in words]).T
    nearest = {Path(sign).stem: words[int(place)] for sign, place in zip(signs, np.argmax(scores, axis=1), strict=True)}
    return dg.MaterializeResult(value=nearest, metadata={"dimensions": int(clip.embed_texts(["a sign"]).shape[1])})


defs = dg.Definitions(
    assets=[signs, nearest_colour],
    resources={"clip": OpenClipResource(name="emoji-s", device=dg.EnvVar("CLIP_DEVICE"))},
)
