"""The models: open_clip configurations, and checkpoint folders that ``local-dir:`` loads."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import open_clip
import torch
from augment import IMAGE_SIZE, MEAN, STD
from safetensors.torch import save_file
from tokenizers import Tokenizer
from wordpieces import CONTEXT_LENGTH, PAD, save_tokenizer

SHAPES: dict[str, dict[str, Any]] = {
    "emoji-s": {
        "embed_dim": 128,
        "vision": {"width": 192, "layers": 4, "head_width": 48},
        "text": {"width": 128, "heads": 4, "layers": 2},
    },
    "emoji-xs": {
        "embed_dim": 64,
        "vision": {"width": 128, "layers": 4, "head_width": 32},
        "text": {"width": 96, "heads": 3, "layers": 2},
    },
}


def model_config(shape: str, tokenizer: Tokenizer) -> dict[str, Any]:
    """Describe a model as open_clip's ``model_configs`` do.

    Args:
        shape: A key of ``SHAPES``.
        tokenizer: The tokenizer the model reads.

    Returns:
        The ``model_cfg``.
    """
    sizes = SHAPES[shape]
    return {
        "embed_dim": sizes["embed_dim"],
        "vision_cfg": {"image_size": IMAGE_SIZE, "patch_size": 16, "pool_type": "avg", **sizes["vision"]},
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": tokenizer.get_vocab_size(),
            "pad_id": tokenizer.token_to_id(PAD),
            "pool_type": "argmax",
            # Any name will do: from a local folder open_clip reads the tokenizer beside the weights.
            "hf_tokenizer_name": shape,
            **sizes["text"],
        },
    }


def build_model(config: dict[str, Any]) -> open_clip.CLIP:
    """Build a plain open_clip model with random weights.

    Args:
        config: A ``model_cfg``.

    Returns:
        The model.
    """
    text = {key: value for key, value in config["text_cfg"].items() if key != "hf_tokenizer_name"}
    return open_clip.CLIP(config["embed_dim"], dict(config["vision_cfg"]), text)


def encode_text(model: open_clip.CLIP, ids: torch.Tensor) -> torch.Tensor:
    """Encode texts padded to less than the context length.

    The text tower is causal and pooled at the end token, so padding after it changes nothing; leaving it
    out makes training several times cheaper.

    Args:
        model: The model.
        ids: Token ids of shape (texts, tokens).

    Returns:
        Text features, not normalized.
    """
    length = ids.shape[1]
    hidden = model.token_embedding(ids) + model.positional_embedding[:length]
    hidden = model.ln_final(model.transformer(hidden, attn_mask=model.attn_mask[:length, :length]))
    pooled = hidden[torch.arange(len(ids)), ids.argmax(dim=1)]
    features: torch.Tensor = pooled @ model.text_projection
    return features


def save_checkpoint(
    folder: Path, *, config: dict[str, Any], weights: dict[str, torch.Tensor], tokenizer: Tokenizer, card: str
) -> None:
    """Write a checkpoint folder; at every moment each of its files is complete.

    Args:
        folder: Where the checkpoint goes.
        config: The ``model_cfg``.
        weights: The model's state; stored in half precision.
        tokenizer: The model's tokenizer.
        card: The text of README.md.
    """
    folder.mkdir(parents=True, exist_ok=True)
    preprocess = {
        "size": IMAGE_SIZE,
        "mode": "RGB",
        "mean": list(MEAN),
        "std": list(STD),
        "interpolation": "bicubic",
        # Not "longest": the models never saw bars beside a picture, and fail on them.
        "resize_mode": "shortest",
    }
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        content = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2) + "\n"
        (stage / "open_clip_config.json").write_text(content, encoding="utf-8")
        half = {key: value.detach().half().contiguous() for key, value in weights.items()}
        save_file(half, str(stage / "open_clip_model.safetensors"), metadata={"format": "pt"})
        save_tokenizer(tokenizer, stage)
        (stage / "README.md").write_text(card, encoding="utf-8")
        for path in sorted(stage.iterdir()):
            path.chmod(0o644)
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(stage)
