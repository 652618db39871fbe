"""Loading a CLIP model with open_clip; what cannot be had is one error that says what would work."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings_orch.models import EmbeddingsOrchError, ProviderError, TerminalError, resolve_device, short_reason
from embeddings_orch_plugins.open_clip import weights
from embeddings_orch_plugins.open_clip.architectures import HF_HUB, LOCAL_DIR, folder_of, self_contained
from embeddings_orch_plugins.open_clip.config import OpenClipConfig

if TYPE_CHECKING:
    import torch

OFFLINE = (
    "Without a network these work: name: emoji-s (bundled), name: local-dir:PATH, "
    "pretrained: PATH of a checkpoint file, or cache_dir: a folder that was filled where there is a network."
)


@dataclass(frozen=True)
class Clip:
    """A loaded model.

    Attributes:
        model: open_clip's model, in evaluation mode, on ``device``; or one with its ``encode_image``, ``encode_text``.
        dtype: what the image tower reads.
        preprocess_cfg: open_clip's settings of size, resizing, mean and std.
    """

    model: Any
    device: torch.device
    dtype: torch.dtype
    preprocess_cfg: dict[str, Any]


def load_torch(config: OpenClipConfig) -> Clip:
    """Load the model of a config with torch onto its device.

    Raises:
        TerminalError: it cannot be had, or is not the one that ``weights_sha256`` pins.
    """
    import torch

    import open_clip

    device = resolve_device(config.device)
    path = config.local_weights()
    before = _check_digest(config, path)
    pretrained = _download(config) if path is None else str(path)
    try:
        model = open_clip.create_model(
            open_clip_name(config.name),
            pretrained=None if self_contained(config.name) else pretrained,
            precision=config.precision,
            device=device,
            cache_dir=config.cache_dir,
            require_pretrained=True,
        )
    except Exception as error:
        where = path or f"the weights {config.pretrained!r}"
        raise TerminalError(f"cannot load {config.name!r} from {where}: {_reason(error)}") from error
    if path is not None and weights.digest(path) != before:
        raise TerminalError(f"the weights {path} were replaced while they were loaded; run again")
    dtype = open_clip.get_input_dtype(config.precision) or torch.float32
    return Clip(model.eval().requires_grad_(False), device, dtype, dict(model.visual.preprocess_cfg))


def load_tokenizer(config: OpenClipConfig) -> Callable[[list[str]], torch.Tensor]:
    """The model's tokenizer: texts to token ids of shape (n, context length).

    Raises:
        TerminalError: it cannot be had.
    """
    import open_clip

    name = open_clip_name(config.name)
    tokenizer: Callable[[list[str]], torch.Tensor] = _reach(
        lambda: open_clip.get_tokenizer(name, cache_dir=config.cache_dir),
        f"the tokenizer of {config.name!r}",
        config,
    )
    return tokenizer


def open_clip_name(name: str) -> str:
    """What open_clip calls a model: a bundled one is a folder to it."""
    folder = folder_of(name)
    return f"{LOCAL_DIR}{folder}" if folder else name


def _check_digest(config: OpenClipConfig, path: Path | None) -> str:
    if path is None:
        return ""
    try:
        digest = weights.digest(path)
    except EmbeddingsOrchError as error:
        raise TerminalError(f"cannot load {config.name!r}: {error}") from error
    _compare(config, digest, path)
    return digest


def _compare(config: OpenClipConfig, digest: str, path: Path) -> None:
    if config.weights_sha256 and digest != config.weights_sha256:
        raise TerminalError(
            f"the weights {path} have the sha256 {digest}, but weights_sha256 pins {config.weights_sha256}"
        )


def _download(config: OpenClipConfig) -> str | None:
    """Download what the config names, and return its tag: `open_clip.create_model` finds it in the cache."""
    import open_clip
    from open_clip.pretrained import download_pretrained_from_hf

    if config.name.startswith(HF_HUB):
        repository = config.name.removeprefix(HF_HUB)
        what = f"the hub repository {repository}"
        file = _reach(lambda: download_pretrained_from_hf(repository, cache_dir=config.cache_dir), what, config)
    else:
        tags = open_clip.list_pretrained_tags_by_model(config.name)
        if config.pretrained not in tags:
            listed = ", ".join(sorted(tags)) or "none; name a checkpoint file"
            raise TerminalError(f"{config.name} has no weights {config.pretrained!r}; allowed: {listed}")
        tag = open_clip.get_pretrained_cfg(config.name, config.pretrained)
        place = tag.get("hf_hub") or tag.get("url") or "an unknown place"
        what = f"the weights {config.pretrained!r} of {config.name} ({place.strip('/')})"
        file = _reach(lambda: open_clip.download_pretrained(tag, cache_dir=config.cache_dir), what, config)
    if config.weights_sha256:
        _compare(config, weights.digest(Path(file)), Path(file))
    return config.pretrained


def _reach(get: Callable[[], Any], what: str, config: OpenClipConfig) -> Any:
    try:
        return get()
    except ProviderError:
        raise
    except Exception as error:
        cache = config.cache_dir or "the hub's default cache"
        raise TerminalError(
            f"{what} cannot be had: looked in {cache} and on the network: {_reason(error)}\n{OFFLINE}"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):
        # torch's own message advises to switch off what protects from code in a checkpoint.
        return "it is not a checkpoint that torch can load safely"
    return short_reason(error)
