"""The command ``serve``: what it tells, refuses, and does when it is stopped."""

import re
import signal
import socket
import sys
import threading
import time
import tomllib
from pathlib import Path

import httpx
import pytest

import warm


class Process:
    """``embeddings-orch serve`` of a YAML."""

    def __init__(self, file, *arguments, before=""):
        """``before``: code that runs first."""
        arguments = ["serve", "--file", str(file), "--port", "0", *arguments]
        if before:
            code = f"{before}\nfrom embeddings_orch.cli import main\nmain({arguments!r})"
            self.process = warm.start_code(code, modules=warm.SERVE)
        else:
            self.process = warm.start("embeddings-orch", *arguments, modules=warm.SERVE)
        self.out = ""
        self.url = None

    def __enter__(self):
        for line in self.process.stdout:
            self.out += line
            if found := re.search(r"serving on (http://[^\s,]+)", line):
                self.url = found[1]
                break
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def stopped(self, number, within):
        started = time.perf_counter()
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=within)
        return time.perf_counter() - started, err


def until_asked(gallery):
    """Wait until the model was asked for a vector."""
    deadline = time.monotonic() + 60
    while not gallery.calls():
        assert time.monotonic() < deadline, "nobody asks the model"
        time.sleep(0.02)


@pytest.mark.daemon
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_when_open_requests_are_answered(make_gallery, number):
    gallery = make_gallery()
    gallery.run()
    gallery.forget_calls()
    gallery.model(delay=1.0)
    with Process(gallery.file, "--no-load", "--grace", "300") as one:
        assert "gallery/found" in one.out
        assert f"{one.url}/docs" in one.out
        answers = []
        body = {"text": "red"}
        asking = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{one.url}/v1/search?api_key=abc", json=body, trust_env=False))
        )
        asking.start()
        until_asked(gallery)
        # Well within what it would give a request that does not end.
        _, err = one.stopped(number, within=60)
        asking.join()
    assert one.process.returncode == 0, err
    assert [answer.status_code for answer in answers] == [200]
    assert "POST /v1/search 200" in err
    assert "abc" not in err
    assert "Traceback" not in err


@pytest.mark.daemon
def test_a_request_that_takes_too_long_does_not_keep_the_server_from_stopping(make_gallery):
    gallery = make_gallery()
    gallery.run()
    gallery.forget_calls()
    gallery.model(delay=300.0)
    with Process(gallery.file, "--no-load", "--grace", "1") as one:

        def ask():
            with pytest.raises(httpx.HTTPError):
                httpx.post(
                    f"{one.url}/v1/search", json={"text": "red"}, trust_env=False, timeout=300
                ).raise_for_status()

        asking = threading.Thread(target=ask)
        asking.start()
        until_asked(gallery)
        seconds, err = one.stopped(signal.SIGTERM, within=60)
        asking.join()
    assert one.process.returncode == 0, err
    assert seconds > 1


@pytest.mark.daemon
def test_what_is_not_published_is_told_with_the_command(make_gallery):
    with Process(make_gallery().file) as one:
        assert "gallery/found is not published yet: embeddings-orch run --pipeline gallery" in one.out
        assert httpx.get(f"{one.url}/health", trust_env=False).status_code == 200


@pytest.mark.process
def test_a_port_in_use_is_one_clear_error(make_gallery, process):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = process("serve", "--file", make_gallery().file, "--port", port)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--host", "0.0.0.0"), 2, "--api-key-env NAME"),
        (("--host", "::"), 2, "--no-key"),
        (("--host", "search.example"), 2, "--no-key"),
        (("--api-key-env", "sk-aaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 2, "is not the name of an environment variable"),
        (("--api-key-env", "NOT_SET_HERE"), 1, "set the environment variable NOT_SET_HERE"),
        (("--api-key-env", "PATH", "--no-key"), 2, "exclude each other"),
        (("--pipeline", "nope"), 2, "there is no pipeline 'nope'"),
        (("--host", "198.51.100.1", "--no-key"), 1, "cannot listen on 198.51.100.1"),
        (("--model", "tyo"), 2, "there is no model 'tyo'; did you mean 'toy'?"),
        (("--model", "gallery/tyo", "--host", "198.51.100.1", "--no-key"), 2, "allowed: gallery/toy, toy"),
    ],
)
def test_what_would_be_unsafe_or_wrong_is_refused_with_what_to_do(make_gallery, cli, arguments, status, words):
    result = cli("serve", "--file", make_gallery().file, "--port", 0, *arguments, status=status)
    assert words in result.output
    assert "aaaaaaaa" not in result.output


@pytest.mark.process
def test_without_the_extra_the_command_says_how_to_get_it(make_gallery, process, tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.machinery as machinery\n"
        "find = machinery.PathFinder.find_spec\n"
        "def hide(name, *rest):\n"
        "    return None if name == 'uvicorn' else find(name, *rest)\n"
        "machinery.PathFinder.find_spec = hide\n"
    )
    done = process("serve", "--file", make_gallery().file, cold=True, PYTHONPATH=str(hidden))
    assert done.returncode == 1
    assert "pip install 'embeddings-orch[serve]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.daemon
def test_a_broken_pipeline_is_told_and_the_others_are_served(make_gallery):
    gallery = make_gallery()
    gallery.run()
    broken = "---\ntype: embeddings_orch.EmbeddingPipeline\nattributes: {name: broken, media: {source: nope}}\n"
    gallery.file.write_text(gallery.file.read_text() + broken)
    with Process(gallery.file) as one:
        found = httpx.get(f"{one.url}/v1/indexes", trust_env=False).json()["indexes"]
        _, err = one.stopped(signal.SIGTERM, within=20)
    assert [entry["pipeline"] for entry in found] == ["gallery"]
    assert "error: broken:" in err


def test_the_extra_names_whatever_the_server_imports():
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["serve"]]
    installed = {re.match(r"[\w-]+", one)[0].replace("-", "_") for one in named} | {"PIL", "embeddings_orch"}
    for file in (root / "embeddings_orch" / "server").rglob("*.py"):
        imported = {
            name.partition(".")[0] for name in re.findall(r"^\s*(?:import|from) ([\w.]+)", file.read_text(), re.M)
        }
        # anyio is what starlette's own API is made of, the two others what pydantic's is.
        assert imported - set(sys.stdlib_module_names) - installed <= {"anyio", "annotated_types", "pydantic_core"}, (
            file.name
        )


@pytest.mark.daemon
def test_a_plugin_that_fails_does_not_keep_the_server_from_starting(make_gallery):
    gallery = make_gallery()
    gallery.run()
    breaks = (
        "from embeddings_orch_testing.counting import CountingEmbedder\n"
        "def reads(self): raise RuntimeError('a secret of the plugin')\n"
        "CountingEmbedder.modalities = property(reads)\n"
    )
    with Process(gallery.file, before=breaks) as one:
        assert "gallery/found" in one.out
        assert one.url is not None
        for _ in range(100):
            health = httpx.get(f"{one.url}/health", trust_env=False).json()
            if health["models"]["gallery/found"] != "loading":
                break
            time.sleep(0.05)
        _, err = one.stopped(signal.SIGTERM, within=20)
    assert health["models"] == {"gallery/found": "failed (RuntimeError)"}
    assert "Traceback" in err
