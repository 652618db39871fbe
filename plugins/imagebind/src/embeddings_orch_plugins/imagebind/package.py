"""The model classes of imagebind-packaged, imported without what of that package no longer imports.

Its ``__init__`` loads a data module that needs torchaudio, pytorchvideo and pkg_resources; the model itself does not.
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from embeddings_orch.models import TerminalError, short_reason

INSTALL = "pip install --no-deps imagebind-packaged==0.1.2"
WHY = "it pins torch 1.13, so --no-deps; its licence, CC BY-NC-SA 4.0, forbids commercial use"
INSTEAD = "For pictures and texts without it, use open-clip"
VOCABULARY = Path("bpe", "bpe_simple_vocab_16e6.txt.gz")

_lock = threading.Lock()


def model_module() -> Any:
    """The module ``imagebind.models.imagebind_model``.

    Raises:
        TerminalError: the package is not installed, or does not import here.
    """
    return _import("imagebind.models.imagebind_model")


def tokenizer() -> Any:
    """The package's tokenizer, with its vocabulary: a text to 77 token ids.

    Raises:
        TerminalError: as `model_module`.
    """
    module = _import("imagebind.models.multimodal_preprocessors")
    return module.SimpleTokenizer(bpe_path=str(_folder(_spec()) / VOCABULARY))


def _import(name: str) -> Any:
    with _lock:
        spec = _spec()
        # Standing in for the package, so that its own __init__ is not run; one that was imported is left alone.
        if "imagebind" not in sys.modules:
            package = ModuleType("imagebind")
            package.__path__ = [str(_folder(spec))]
            package.__spec__ = spec
            sys.modules["imagebind"] = package
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # timm's, about the names the package uses
                return importlib.import_module(name)
        except ImportError as error:
            raise TerminalError(
                f"the model code of imagebind-packaged does not import: {short_reason(error)}. {INSTEAD}"
            ) from error


def _spec() -> ModuleSpec:
    loaded = sys.modules.get("imagebind")
    spec = loaded.__spec__ if loaded else find_spec("imagebind")
    if spec is None or not (_folder(spec) / "models" / "imagebind_model.py").is_file():
        raise TerminalError(f"imagebind-packaged is not installed. Install it: {INSTALL} ({WHY}). {INSTEAD}")
    return spec


def _folder(spec: ModuleSpec) -> Path:
    return Path(next(iter(spec.submodule_search_locations or [""])))
