"""Sessions of ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embeddings_orch.models import TerminalError

INSTALL = "pip install 'embeddings-orch-open-clip[onnx]'"
Provider = str | tuple[str, dict[str, Any]]


def open_session(path: Path, providers: Sequence[Provider]) -> Any:
    """Open an inference session with as many threads as this process has cores.

    Raises:
        TerminalError: ONNX Runtime is not installed, cannot read the file, or cannot start the first provider.
    """
    runtime = import_runtime()
    options = runtime.SessionOptions()
    # ONNX Runtime counts the machine's cores, of which a container or a job may have few.
    options.intra_op_num_threads = cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    try:
        session = runtime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise TerminalError(f"ONNX Runtime cannot load {path}: {reason}") from error
    first, started = provider_name(providers[0]), session.get_providers()
    if first not in started:
        # It falls back to the CPU by itself, where a library of the device is missing.
        raise TerminalError(
            f"{first} could not be started; ONNX Runtime would use {', '.join(started)}. "
            "Install what it needs, or name another in execution_providers"
        )
    return session


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def provider_name(provider: Provider) -> str:
    """The name of an execution provider, without its options."""
    return provider if isinstance(provider, str) else provider[0]


def import_runtime() -> Any:
    """Import ONNX Runtime with its telemetry off.

    Raises:
        TerminalError: it is not installed.
    """
    # By default it collects events for its maker, in the user's cache folder until they are sent; read at its import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise TerminalError(f"backend: onnx needs ONNX Runtime ({error}). Install it: {INSTALL}") from error
    return onnxruntime
