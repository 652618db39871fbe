"""The ONNX backend gives torch's vectors, from an export that is made once and is always whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from pydantic import ValidationError

from embeddings_orch.errors import BatchTooLargeError, TerminalError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Item, Vectors
from embeddings_orch_plugins.open_clip import OpenClipConfig, OpenClipEmbedder, onnx_export, onnx_model

from .conftest import encoded, picture

TEXTS = ["a dog", "two dogs and a cat", "ÉCLAIR!", "x", "long " * 100, "six", "seven"]


@pytest.fixture
def shared_export(exports: Path, tinies: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> OpenClipConfig:
    """A config whose export is in the cache of all tests, for them to copy from."""
    config = OpenClipConfig(name=f"local-dir:{tinies['longest']}", device="cpu", backend="onnx")
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(exports))
        onnx_export.find_or_export(config)
    return config


@pytest.fixture
def tiny_export(exports: Path, shared_export: OpenClipConfig, own_cache: Path) -> OpenClipConfig:
    """A config whose export is in a cache of the test's own."""
    shutil.copytree(folder_of(exports, shared_export), folder_of(own_cache, shared_export))
    return shared_export


def embedder_of(name: str, **settings: Any) -> OpenClipEmbedder:
    return OpenClipEmbedder(OpenClipConfig(name=name, device="cpu", **settings))


def vectors(embedder: OpenClipEmbedder, modality: Any, count: int = len(TEXTS)) -> Vectors:
    if modality == "text":
        return np.asarray(embedder.embed(Batch("text", TEXTS[:count])).vectors)
    files = [encoded(picture(70 + seed, 90, seed), "JPEG") for seed in range(count)]
    contents = [embedder.prepare(Item(str(index).encode(), "image", file)) for index, file in enumerate(files)]
    return np.asarray(embedder.embed(Batch("image", contents)).vectors)


def compare_backends(config: OpenClipConfig, modality: Any) -> None:
    ours, torchs = (OpenClipEmbedder(config.model_copy(update={"backend": backend})) for backend in ("onnx", "torch"))
    for count in (1, 2, 3, 7):
        found, expected = vectors(ours, modality, count), vectors(torchs, modality, count)
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        assert onnx_export.least_cosine(found, expected) >= 0.9999
    assert onnx_export.least_cosine(expected[:-1], expected[1:]) < 0.99  # items differ by more than the limit


def folder_of(cache: Path, config: OpenClipConfig) -> Path:
    return cache / "embeddings_orch" / "onnx" / config.fingerprint()


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["image", "text"])
def test_vectors_are_torchs_for_batches_of_all_sizes(
    exports: Path, monkeypatch: pytest.MonkeyPatch, modality: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(exports))
    compare_backends(OpenClipConfig(name="emoji-s", device="cpu", backend="onnx"), modality)


@pytest.mark.slow
def test_the_way_of_resizing_is_taken_from_the_export(tiny_export: OpenClipConfig) -> None:
    compare_backends(tiny_export, "image")


@pytest.mark.slow
def test_an_export_is_made_once_and_then_torchs_model_is_not_loaded(
    tiny_export: OpenClipConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("open_clip.create_model", None)
    assert vectors(OpenClipEmbedder(tiny_export), "text").shape == (len(TEXTS), 16)
    assert vectors(OpenClipEmbedder(tiny_export), "image").shape == (len(TEXTS), 16)


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "no manifest", "broken manifest", "older format"])
def test_a_broken_export_is_not_read(tiny_export: OpenClipConfig, own_cache: Path, damage: str) -> None:
    folder = folder_of(own_cache, tiny_export)
    assert onnx_export._read(folder)
    file, manifest = folder / "image.onnx.data", folder / "export.json"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "changed":  # of the same length: ONNX Runtime would load it
        file.write_bytes(bytes(file.stat().st_size))
    elif damage == "missing":
        (folder / "text.onnx").unlink()
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text("{" if damage == "broken manifest" else '{"format": 0}')
    assert onnx_export._read(folder) is None


@pytest.mark.slow
def test_a_broken_export_is_made_again(tiny_export: OpenClipConfig, own_cache: Path) -> None:
    config = tiny_export.model_copy(update={"precision": "fp16"})
    folder = shutil.copytree(folder_of(own_cache, tiny_export), folder_of(own_cache, config))
    file = folder / "image.onnx.data"
    file.write_bytes(bytes(file.stat().st_size))
    compare_backends(config, "image")
    compare_backends(config, "text")
    assert file.read_bytes().strip(b"\0")


_EXPORTING = """
import os, shutil, signal, sys, traceback
from pathlib import Path
import numpy as np
import open_clip, torch.onnx
from embeddings_orch.models.base import Batch
from embeddings_orch_plugins.open_clip import OpenClipConfig, OpenClipEmbedder, onnx_session

onnx_session.import_runtime()
name, ready = sys.argv[1:]

def copy_ready(stays):
    def export(module, inputs, path, **options):
        shutil.copy(Path(ready) / f"{path.name}.data", path.parent)
        print(os.getpid(), "exports", path.stem, flush=True)
        if stays:
            signal.pause()
        shutil.copy(Path(ready) / path.name, path)
    return export

def embed(stays):
    torch.onnx.export = copy_ready(stays)
    config = OpenClipConfig(name=name, device="cpu", backend="onnx")
    total = np.asarray(OpenClipEmbedder(config).embed(Batch("text", ["a"])).vectors).sum()
    print(os.getpid(), "embeds", total, flush=True)

def start(stays):
    if process := os.fork():
        return process
    status = 1
    try:
        embed(stays)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)

for line in sys.stdin:
    count, stays = line.split()
    for process in [start(stays == "stays") for _ in range(int(count))]:
        print(process, "ended", os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
print(os.getpid(), "stops", 0, flush=True)
"""
"""For each line, starts as many processes at once as it says, which stay within their export or go on.

They are forks of one that has imported torch, and copy an export in place of making it: both take seconds.
"""


@contextmanager
def starting(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as starter:
        try:
            yield starter
        finally:
            os.killpg(starter.pid, signal.SIGKILL)  # nothing of it stays, whatever fails


def read_lines(stream: IO[str], last: str) -> Iterator[tuple[int, str, str]]:
    """Which process does what, until one does the last thing."""
    for line in stream:
        process, what, detail = line.split()
        yield int(process), what, detail
        if what == last:
            return
    pytest.fail(f"no process {last}")


@pytest.mark.process
def test_after_an_export_that_is_killed_one_of_two_processes_exports_and_both_embed(
    exports: Path, shared_export: OpenClipConfig, own_cache: Path
) -> None:
    folder = folder_of(own_cache, shared_export)
    ready = folder_of(exports, shared_export)
    command = [sys.executable, "-W", "ignore", "-c", _EXPORTING, shared_export.name, str(ready)]
    with starting(command) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None

        starter.stdin.write("1 stays\n")
        starter.stdin.flush()
        ((process, _, _),) = read_lines(starter.stdout, "exports")
        parts = list(folder.parent.glob("*-part"))
        os.kill(process, signal.SIGKILL)
        assert list(read_lines(starter.stdout, "ended")) == [(process, "ended", str(-signal.SIGKILL))]
        assert parts
        assert not folder.exists()

        starter.stdin.write("2 go-on\n")
        starter.stdin.close()
        lines = list(read_lines(starter.stdout, "stops"))

    assert [detail for _, what, detail in lines if what == "ended"] == ["0", "0"]
    assert [detail for _, what, detail in lines if what == "exports"] == ["image", "text"]
    totals = [detail for _, what, detail in lines if what == "embeds"]
    assert len(totals) == 2
    assert totals[0] == totals[1]
    assert not list(folder.parent.glob("*-part"))


def test_an_export_with_other_vectors_is_refused_with_the_figure(
    exports: Path,
    shared_export: OpenClipConfig,
    copy_tiny: Callable[..., Path],
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def export_another_model(_module: object, _inputs: object, path: Path, **_: object) -> None:
        for file in folder_of(exports, shared_export).glob(f"{path.name}*"):
            shutil.copy(file, path.parent)

    monkeypatch.setattr("torch.onnx.export", export_another_model)
    config = OpenClipConfig(name=f"local-dir:{copy_tiny(seed=1)}", device="cpu", backend="onnx")
    with pytest.raises(TerminalError, match=r"image tower .* gives other vectors as ONNX .*: cosine -?0\.\d{6}, at le"):
        vectors(OpenClipEmbedder(config), "text")
    assert not folder_of(own_cache, config).exists()
    assert not list(folder_of(own_cache, config).parent.glob("*-part"))


def test_weights_that_are_not_here_are_not_needed_where_a_pin_names_the_export(
    tinies: dict[str, Path], tiny_export: OpenClipConfig
) -> None:
    from embeddings_orch_plugins.open_clip import weights

    before = vectors(OpenClipEmbedder(tiny_export), "image")
    away = {"name": "local-dir:/not/here", "weights_sha256": weights.digest(tinies["longest"])}
    config = OpenClipConfig(**away, device="cpu", backend="onnx")
    assert config.fingerprint() == tiny_export.fingerprint()
    contents = [OpenClipEmbedder(config).prepare(Item(b"0", "image", encoded(picture(70, 90), "JPEG")))]
    assert np.allclose(np.asarray(OpenClipEmbedder(config).embed(Batch("image", contents)).vectors), before[:1])


def test_the_backend_is_identity_and_torchs_fingerprint_is_as_before_there_was_a_choice() -> None:
    assert OpenClipConfig(backend="torch").fingerprint() == OpenClipConfig().fingerprint()
    assert OpenClipConfig(backend="onnx").fingerprint() != OpenClipConfig().fingerprint()
    assert "backend" not in OpenClipConfig().identity()
    assert OpenClipConfig(backend="onnx").declared_identity()["backend"] == "onnx"
    assert OpenClipConfig().declared_identity()["backend"] == "torch"  # so that a plan shows torch -> onnx


def test_bf16_is_refused_with_what_to_use() -> None:
    with pytest.raises(ValidationError, match="use precision: fp32 or fp16, or torch"):
        OpenClipConfig(name="emoji-s", precision="bf16", backend="onnx")


def test_what_is_no_execution_provider_is_refused() -> None:
    with pytest.raises(ValidationError, match="'cuda' is no execution provider; they are called as CPUExec"):
        OpenClipConfig(name="emoji-s", backend="onnx", execution_providers=["cuda"])


@pytest.mark.parametrize("settings", [{"execution_providers": ["NoSuchExecutionProvider"]}, {"device": "cuda:1"}])
def test_an_execution_provider_that_is_not_here_is_answered_with_those_that_are(settings: dict[str, Any]) -> None:
    import onnxruntime

    if set(settings.get("execution_providers", ["CUDAExecutionProvider"])) <= set(
        onnxruntime.get_available_providers()
    ):
        pytest.skip("it is here")
    embedder = OpenClipEmbedder(OpenClipConfig(name="emoji-s", backend="onnx", **settings))
    with pytest.raises(TerminalError, match=r"has no \w+ExecutionProvider; available: .*CPUExecutionProvider"):
        embedder.embed(Batch("text", TEXTS))


def test_a_device_that_onnx_runtime_does_not_know_asks_for_its_execution_providers() -> None:
    with pytest.raises(TerminalError, match="cannot use the device 'mps' by itself: name its execution_providers"):
        onnx_model.execution_providers(OpenClipConfig(name="emoji-s", backend="onnx", device="mps"))


def test_the_device_chooses_the_execution_providers() -> None:
    assert onnx_model._of_device("auto", ["CPUExecutionProvider"]) == ["CPUExecutionProvider"]
    cuda = onnx_model._of_device("cuda:1", [])
    assert cuda == [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]
    assert onnx_model._of_device("auto", ["CUDAExecutionProvider"])[0] == ("CUDAExecutionProvider", {"device_id": 0})


@pytest.mark.process
def test_threads_follow_the_cores_of_the_process() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from embeddings_orch_plugins.open_clip import onnx_session; print(onnx_session.cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_a_cache_that_cannot_be_written_is_one_error(tiny: Path, own_cache: Path) -> None:
    own_cache.write_text("a file where the folder should be")
    with pytest.raises(TerminalError, match=r"cannot be written below .*; set XDG_CACHE_HOME"):
        vectors(embedder_of(f"local-dir:{tiny}", backend="onnx"), "text")


def test_a_missing_onnx_runtime_is_answered_with_the_command(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(TerminalError, match=r"Install it: pip install 'embeddings-orch-open-clip\[onnx\]'"):
        vectors(embedder_of(f"local-dir:{tiny}", backend="onnx"), "text")


def test_onnx_runtimes_lack_of_memory_asks_for_smaller_batches(tiny: Path) -> None:
    from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

    error = RuntimeException("Non-zero status code: Failed to allocate memory for requested buffer of size 9000000000")
    assert isinstance(embedder_of(f"local-dir:{tiny}").classify(error), BatchTooLargeError)
    assert isinstance(embedder_of(f"local-dir:{tiny}").classify(RuntimeException("odd")), TerminalError)


@pytest.mark.process
def test_it_keeps_no_events_for_onnx_runtimes_maker(tiny_export: OpenClipConfig, own_cache: Path) -> None:
    code = """
import sys
from pathlib import Path
from embeddings_orch_plugins.open_clip import onnx_session
onnx_session.open_session(Path(sys.argv[1]), ["CPUExecutionProvider"])
"""
    file = folder_of(own_cache, tiny_export) / "text.onnx"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(file)], check=True)
    assert [path.name for path in own_cache.iterdir()] == ["embeddings_orch"]
