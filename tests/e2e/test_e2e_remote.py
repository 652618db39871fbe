"""``run --remote`` against a real webserver: what is launched, followed and told, and what goes wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import requests
import yaml
from PIL import Image

import warm
from homes import make_home

pytestmark = pytest.mark.daemon
BIN = Path(sys.executable).parent
LOCATION = """\
from pathlib import Path

import dagster as dg
from embeddings_orch import build_pipeline
from embeddings_orch.spec.yaml_file import load_pipeline

defs = dg.Definitions.merge(*(build_pipeline(load_pipeline(Path(file))) for file in {files!r}))
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write(folder, name, **toy):
    """A pipeline over five pictures; returns its YAML."""
    media = folder / name / "media"
    media.mkdir(parents=True)
    rows = ["file_name,caption"]
    for colour in ("red", "green", "blue", "black", "white"):
        Image.new("RGB", (24, 16), colour).save(media / f"{colour}.png")
        rows.append(f"{colour}.png,a {colour} picture")
    (media / "metadata.csv").write_text("\n".join(rows))
    attributes = {
        "name": name,
        "store": {"uri": "store"},
        "media": {"source": "folder", "path": "media"},
        "embeddings": {"toy": {"provider": "counting", "input": "caption", **toy}},
        "indexes": {"found": {"vectors": ["toy"], "full_text": ["caption"], "checks": {"max_failed": 1}}},
    }
    file = folder / name / "defs.yaml"
    file.write_text(yaml.safe_dump({"type": "embeddings_orch.EmbeddingPipeline", "attributes": attributes}))
    return file


def answers(url):
    try:
        return requests.get(f"{url}/server_info", timeout=5).ok
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The URL of a webserver without a daemon: five pipelines, one of them twice, and a location that is broken."""
    folder = tmp_path_factory.mktemp("remote")
    files = {
        "photos": write(folder, "photos"),
        "bad": write(folder, "bad", broken=True),
        "picky": write(folder, "picky", reject="blue"),
        "endless": write(folder, "endless", delay=3.0, batch_size=1),
        "slow": write(folder, "slow", delay=1.0, batch_size=1),
    }
    (folder / "first.py").write_text(LOCATION.format(files=[str(file) for file in files.values()]))
    (folder / "second.py").write_text(LOCATION.format(files=[str(files["picky"])]))
    (folder / "wrong.py").write_text("raise RuntimeError('this location cannot be imported')")
    load = [{"python_file": {"relative_path": f"{name}.py", "location_name": name}} for name in ("first", "second")]
    load.append({"python_file": {"relative_path": "wrong.py", "location_name": "wrong"}})
    (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": load}))
    home = make_home(folder / "home")
    coordinator = {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"}
    launcher = {"module": "warm_launcher", "class": "WarmRunLauncher"}
    (home / "dagster.yaml").write_text(
        yaml.safe_dump({"telemetry": {"enabled": False}, "run_coordinator": coordinator, "run_launcher": launcher})
    )
    url = f"http://127.0.0.1:{free_port()}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                BIN / "dagster-webserver",
                "-h",
                "127.0.0.1",
                "-p",
                url.rpartition(":")[2],
                "-w",
                folder / "workspace.yaml",
            ],
            cwd=folder,
            env={**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": str(Path(warm.__file__).parent)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while not answers(url):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start(*arguments, cwd, **environment):
    environment = {**os.environ, "DAGSTER_HOME": str(cwd / "no_home"), **environment}
    return warm.start("embeddings-orch", "run", *arguments, cwd=cwd, env=environment)


def run(*arguments, cwd, status=0, **environment):
    process = start(*arguments, cwd=cwd, **environment)
    out, err = process.communicate(timeout=180)
    assert process.returncode == status, f"{out}\n{err}"
    assert "Traceback" not in err
    return out, err


def graphql(server, document, **variables):
    question = {"query": document, "variables": variables}
    return requests.post(f"{server}/graphql", json=question, timeout=30).json()["data"]


def run_status(server, run_id):
    document = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } } } }"
    return graphql(server, document, id=run_id)["runOrError"]


def until_ended(server, run_id):
    deadline = time.monotonic() + 120
    while run_status(server, run_id)["status"] not in ("SUCCESS", "FAILURE", "CANCELED"):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return run_status(server, run_id)["status"]


def test_a_run_there_is_told_as_one_here_and_needs_nothing_here(server, tmp_path):
    report = tmp_path / "reports" / "run.xml"
    arguments = ("--remote", server, "--pipeline", "photos", "--report", report, "--report", tmp_path / "run.json")
    out, err = run(*arguments, cwd=tmp_path)
    lines = out.splitlines()
    assert lines[1].startswith(
        "photos/embeddings/toy: 5 new, 0 changed, 0 unchanged, 0 deleted, 0 failed (contents); embedded 5 at"
    )
    assert "is published" in lines[3]
    written = json.loads((tmp_path / "run.json").read_text())
    assert lines[-1] == f"photos: done (run {written['run_id']}, {server}/runs/{written['run_id']})"
    assert f"run {written['run_id']}: {server}/runs/{written['run_id']}" in err
    assert "photos/embeddings/toy: started" in err
    assert "photos/embeddings/toy: 5/5 contents" in err
    assert [(step["asset"], step["kind"], step["status"]) for step in written["steps"]] == [
        ("photos/raw_media", "materialize", "success"),
        ("photos/embeddings/toy", "materialize", "success"),
        ("photos/embeddings/toy", "checks", "success"),
        ("photos/index/found", "materialize", "success"),
        ("photos/index/found", "checks", "success"),
        ("photos/published/found", "materialize", "success"),
    ]
    assert written["seconds"] > 0
    assert {(check["asset"], check["passed"]) for check in written["checks"]} == {
        ("photos/embeddings/toy", True),
        ("photos/index/found", True),
    }
    assert ET.parse(report).getroot().get("failures") == "0"
    assert {"key": "embeddings_orch/started_by", "value": "command line"} in run_status(server, written["run_id"])[
        "tags"
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reports", "run.json"]

    again, _ = run("--remote", f"{server}/graphql", "--pipeline", "photos", "--json", cwd=tmp_path)
    made = json.loads(again)
    assert list(made) == ["pipeline", "success", "run_id", "assets", "checks", "published", "url"]
    assert (made["success"], made["assets"][1]["embedded"], made["assets"][1]["reused"]) == (True, 0, 5)


def test_a_selection_runs_these_assets_and_their_checks_only(server, tmp_path):
    remote = ("--remote", server, "--pipeline", "photos", "--json")
    made = json.loads(run(*remote, "--select", "raw_media", "--select", "photos/embeddings/toy", cwd=tmp_path)[0])
    assert [asset["asset"] for asset in made["assets"]] == ["photos/raw_media", "photos/embeddings/toy"]
    assert {check["asset"] for check in made["checks"]} == {"photos/embeddings/toy"}
    made = json.loads(run(*remote, "--select", "+toy", "--retry-failed", cwd=tmp_path)[0])
    assert [asset["asset"] for asset in made["assets"]] == ["photos/raw_media", "photos/embeddings/toy"]
    _, err = run(*remote, "--select", "index/fond", cwd=tmp_path, status=1)
    assert "error: the pipeline 'photos' has no asset 'index/fond'; did you mean 'index/found'?" in err


def test_a_failed_run_gives_its_reason_and_1(server, tmp_path):
    report = tmp_path / "run.xml"
    out, err = run("--remote", server, "--pipeline", "bad", "--json", "--report", report, cwd=tmp_path, status=1)
    assert json.loads(out)["success"] is False
    assert "error: the counting provider is configured as broken" in err.splitlines()
    suites = {suite.get("name"): suite for suite in ET.parse(report).getroot()}
    failure = suites["bad/embeddings/toy"].find("testcase[@name='materialize']/failure")
    assert failure.get("message") == "the counting provider is configured as broken"
    assert suites["bad/published/found"].get("skipped") == "1"


def test_contents_that_failed_there_are_named_here(server, tmp_path):
    remote = ("--remote", server, "--pipeline", "picky", "--location", "second")
    out, err = run(*remote, "--fail-on-item-errors", cwd=tmp_path, status=1)
    assert "picky: done" in out
    assert "blue.png: an input holds 'blue'" in out
    assert "error: picky/embeddings/toy: 1 item failed" in err
    run(*remote, cwd=tmp_path)


def test_one_job_in_two_locations_has_to_be_chosen(server, tmp_path):
    _, err = run("--remote", server, "--pipeline", "picky", cwd=tmp_path, status=1)
    assert "several code locations have the job 'picky_pipeline'; choose with --location: first, second" in err
    _, err = run("--remote", server, "--pipeline", "picky", "--location", "secnd", cwd=tmp_path, status=1)
    assert "has no code location 'secnd'; did you mean 'second'?" in err


def test_an_unknown_job_and_a_location_that_is_not_loaded_are_named(server, tmp_path):
    _, err = run("--remote", server, "--pipeline", "photo", "--location", "first", cwd=tmp_path, status=1)
    assert f"error: {server} has no job 'photo_pipeline'; did you mean 'photos_pipeline'?" in err
    _, err = run("--remote", server, "--pipeline", "photo", cwd=tmp_path, status=1)
    assert "the code location 'wrong' is not loaded: " in err
    assert "this location cannot be imported" in err


def test_the_project_names_the_pipeline_where_there_is_one(server, tmp_path):
    file = write(tmp_path, "photos")
    made = json.loads(run("--remote", server, "--file", file, "--json", cwd=tmp_path)[0])
    assert made["pipeline"] == "photos"
    assert not (file.parent / "store").exists()


def test_not_waiting_and_a_timeout_leave_the_run_going_on(server, tmp_path):
    remote = ("--remote", server, "--pipeline", "slow", "--json")
    out, err = run(*remote, "--timeout", "1", "--report", tmp_path / "run.json", cwd=tmp_path, status=1)
    made = json.loads(out)
    assert made["success"] is None
    assert f"error: it did not end within 1 s; the run goes on: {made['url']}" in err
    assert json.loads((tmp_path / "run.json").read_text())["success"] is None
    assert until_ended(server, made["run_id"]) == "SUCCESS"
    out, _ = run(*remote, "--no-wait", cwd=tmp_path)
    started = json.loads(out)
    assert started["success"] is None
    assert until_ended(server, started["run_id"]) == "SUCCESS"


def test_ctrl_c_leaves_the_run_going_on_and_says_where(server, tmp_path):
    process = start("--remote", server, "--pipeline", "photos", "--json", cwd=tmp_path)
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    run_id = first.split()[1].rstrip(":")
    assert process.returncode == 130, err
    assert f"error: interrupted here; the run goes on: {server}/runs/{run_id}" in err
    assert "Traceback" not in err
    assert json.loads(out)["run_id"] == run_id
    assert until_ended(server, run_id) == "SUCCESS"


def test_a_run_that_is_canceled_there_gives_1(server, tmp_path):
    process = start("--remote", server, "--pipeline", "endless", cwd=tmp_path)
    run_id = process.stderr.readline().split()[1].rstrip(":")
    deadline = time.monotonic() + 120
    while run_status(server, run_id)["status"] != "STARTED":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    graphql(server, "mutation ($id: String!) { terminateRun(runId: $id) { __typename } }", id=run_id)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out
    assert "endless: failed" in out
    assert "error: the run was canceled" in err


class Wire:
    """A connection to the webserver that can be cut, on a port of its own; what is asked is kept."""

    def __init__(self, target):
        self.asked = []
        wire = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                wire.asked.append((dict(self.headers), body))
                if wire.cut(body):
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                headers = {"Content-Type": "application/json"}
                answer = requests.post(f"{target}{self.path}", body, headers=headers, timeout=60).content
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.cuts = 0
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def cut(self, body):
        return False


@pytest.fixture
def wire(server):
    made = Wire(server)
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_a_connection_that_breaks_while_waiting_is_made_again(server, wire, tmp_path):
    def cut(body):
        wire.cuts += b"query Events" in body
        return 1 < wire.cuts <= 3 and b"query Events" in body

    wire.cut = cut
    out, _ = run("--remote", wire.url, "--pipeline", "photos", "--json", cwd=tmp_path)
    assert json.loads(out)["success"] is True
    assert wire.cuts > 3


def test_a_launch_whose_answer_is_lost_is_not_tried_again(server, wire, tmp_path):
    wire.cut = lambda body: b"mutation Launch" in body
    _, err = run("--remote", wire.url, "--pipeline", "photos", cwd=tmp_path, status=1)
    assert f"Whether a run was begun is not known: look at {wire.url}/runs" in err
    assert sum(b"mutation Launch" in body for _, body in wire.asked) == 1


def test_the_token_is_sent_and_never_shown(server, wire, tmp_path):
    url = wire.url.replace("http://", "http://someone:hidden@")
    done = run("--remote", url, "--pipeline", "photos", cwd=tmp_path, DAGSTER_CLOUD_API_TOKEN="s3cret")
    assert all(headers["Dagster-Cloud-Api-Token"] == "s3cret" for headers, _ in wire.asked)
    assert all(headers["Authorization"].startswith("Basic ") for headers, _ in wire.asked)
    assert not any(secret in text for text in done for secret in ("s3cret", "hidden"))
    _, err = run("--remote", wire.url, "--pipeline", "x", cwd=tmp_path, status=1, DAGSTER_CLOUD_API_TOKEN="s3c\nret")
    assert "DAGSTER_CLOUD_API_TOKEN holds characters that no token has" in err
    assert "s3c" not in err


class Odd(BaseHTTPRequestHandler):
    """Answers by the path, as servers do that are not a Dagster."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.split("/")[1])
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "https://elsewhere.example/graphql")
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, "does not answer as a Dagster webserver does; look at the URL"),
        (404, "does not answer as a Dagster webserver does (404 Not Found)"),
        (401, "refuses access (401 Unauthorized); set the environment variable DAGSTER_CLOUD_API_TOKEN"),
        (302, "sends on to https://elsewhere.example; give that URL"),
        (503, "answers 503 Service Unavailable"),
    ],
)
def test_what_is_no_dagster_is_told(tmp_path, status, said):
    http = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{http.server_port}/{status}"
        assert said in run("--remote", url, "--pipeline", "photos", cwd=tmp_path, status=1)[1]
    finally:
        http.shutdown()
        http.server_close()


def test_a_wrong_url_is_told(tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    _, err = run("--remote", nobody, "--pipeline", "photos", cwd=tmp_path, status=1)
    assert f"error: {nobody} cannot be reached: [Errno 111] Connection refused" in err
    _, err = run("--remote", "localhost:3000", "--pipeline", "photos", cwd=tmp_path, status=1)
    assert "the URL of a Dagster webserver is like http://127.0.0.1:3000" in err
