"""The sensors under a live ``dg dev``: webserver, daemon, code server and run workers, with the YAML edited on disk."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml

from homes import make_home

ROOT = Path(__file__).resolve().parents[2]
EMOJI = ROOT / "definitions" / "data" / "emoji"
NAMES = ("1f436", "1f431", "1f34e", "1f353", "1f697", "2600", "1f308", "1f40d", "1f3e0", "1f4a1", "1f511", "1f3b8")
DEFINITIONS = """\
from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
QUERY = """
query Look($sensor: SensorSelector!, $assets: [AssetKeyInput!]) {
  sensorOrError(sensorSelector: $sensor) {
    __typename
    ... on Sensor { sensorState { ticks(limit: 40) { tickId status skipReason runIds error { message } } } }
  }
  runsOrError(limit: 50) { ... on Runs { results { runId status jobName assetSelection { path } tags { key value } } } }
  assetNodes(assetKeys: $assets) { assetKey { path } staleStatus staleCauses { reason } }
}
"""


class Live:
    """``dg dev`` on a project of its own with one pipeline."""

    def __init__(self, folder, model):
        self.folder = folder
        package = folder / "acme"
        self.media = package / "defs" / "emoji" / "media"
        self.media.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "definitions.py").write_text(DEFINITIONS)
        (folder / "pyproject.toml").write_text(
            '[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "acme"\n'
        )
        for name in NAMES:
            shutil.copy(EMOJI / f"{name}.png", self.media)
        make_home(folder / "home")
        self.file = package / "defs" / "emoji" / "defs.yaml"
        self.attributes = {
            "name": "emoji",
            "store": {"uri": "store"},
            "media": {"source": "folder", "path": "media"},
            "embeddings": {"clip": dict(model)},
            "indexes": {"found": {"vectors": ["clip"]}},
            "auto": {"interval": 2, "media": False},
        }
        self.write()
        self.transcript = []

    def write(self):
        declared = {"type": "embeddings_orch.EmbeddingPipeline", "attributes": self.attributes}
        self.file.write_text(yaml.safe_dump(declared, sort_keys=False))

    def edit(self, **settings):
        self.attributes["embeddings"]["clip"].update(settings)
        self.say(f"edit: clip {settings}")
        self.write()

    def say(self, text):
        self.transcript.append(text)
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (self.folder / "dev.log").open("w")
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("dg"), "dev", "--port", str(self.port)],
            cwd=self.folder,
            env={
                **os.environ,
                "DAGSTER_HOME": str(self.folder / "home"),
                "EMBEDDINGS_ORCH_WEBSERVER_URL": self.url,
            },
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pid in self._family():
            os.kill(pid, signal.SIGKILL)
        self.log.close()

    def _family(self):
        """What is left of its processes: they share its session."""
        left = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.getsid(int(entry.name)) == self.process.pid:
                        left.append(int(entry.name))
                except ProcessLookupError:
                    continue
        return left

    def look(self):
        """Ticks (newest first), runs (newest first) and stale statuses, as the UI shows them."""
        variables = {
            "sensor": {
                "repositoryLocationName": self.location,
                "repositoryName": "__repository__",
                "sensorName": "emoji_model_config_sensor",
            },
            "assets": [{"path": ["emoji", "embeddings", "clip"]}, {"path": ["emoji", "published", "found"]}],
        }
        return self.graphql(QUERY, variables)

    def graphql(self, query, variables=None):
        question = {"query": query, "variables": variables or {}}
        answer = requests.post(f"{self.url}/graphql", json=question, timeout=30)
        answer.raise_for_status()
        data = answer.json()
        assert "errors" not in data, data
        return data["data"]

    def wait_ready(self):
        deadline = time.time() + 120
        while True:
            try:
                found = self.graphql(
                    "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
                )
                (entry,) = found["workspaceOrError"]["locationEntries"]
                self.location = entry["name"]
                return
            except (OSError, ValueError):
                assert time.time() < deadline, (self.folder / "dev.log").read_text()[-3000:]
                time.sleep(0.5)

    def wait(self, condition, what, seconds=600):
        deadline = time.time() + seconds
        while time.time() < deadline:
            seen = self.look()
            if condition(seen):
                return seen
            time.sleep(0.5)
        raise AssertionError(
            f"{what}: {json.dumps(seen, indent=1)[:3000]}\n{(self.folder / 'dev.log').read_text()[-2000:]}"
        )

    def runs(self, seen=None):
        return (seen or self.look())["runsOrError"]["results"]

    def ticks(self, seen=None):
        ticks = (seen or self.look())["sensorOrError"]["sensorState"]["ticks"]
        return [tick for tick in ticks if tick["status"] != "STARTED"]

    def skip(self, seen=None):
        ticks = self.ticks(seen)
        return (ticks[0]["skipReason"] or "") if ticks else ""

    def settled(self, runs, says="up to date"):
        """Wait until so many runs ended and the sensor skips; the newest run."""
        seen = self.wait(
            lambda seen: (
                len(self.runs(seen)) == runs
                and all(run["status"] in ("SUCCESS", "FAILURE", "CANCELED") for run in self.runs(seen))
                and says in self.skip(seen)
            ),
            f"{runs} runs and a skip that says {says!r}",
        )
        newest = self.runs(seen)[0]
        tags = {tag["key"].removeprefix("embeddings_orch/"): tag["value"] for tag in newest["tags"]}
        self.say(f"run {newest['runId'][:8]} {newest['status']}: {tags.get('reason')}")
        self.say(f"sensor: {self.skip(seen)}")
        return newest, tags

    def quiet(self, runs, ticks=2):
        """Let some ticks pass in which nothing is started."""
        last = self.ticks()[0]["tickId"]
        seen = self.wait(lambda seen: int(self.ticks(seen)[0]["tickId"]) >= int(last) + ticks, "ticks")
        assert len(self.runs(seen)) == runs
        assert not [tick for tick in self.ticks(seen) if tick["error"]]
        self.say(f"sensor: {self.skip(seen)}")
        return seen

    def published(self):
        from embeddings_orch.spec.yaml_file import load_pipeline
        from embeddings_orch.store import Store

        store = Store(load_pipeline(self.file).store.uri)
        generation = store.generations.get(store.published.get("emoji", "found").generation)
        return generation.models[0].settings["name"]

    def embedded(self, run):
        data = self.graphql(
            """query E($run: ID!) { runOrError(runId: $run) { ... on Run { assetMaterializations {
                 assetKey { path } metadataEntries { label ... on IntMetadataEntry { intValue } } } } } }""",
            {"run": run["runId"]},
        )
        for event in data["runOrError"]["assetMaterializations"]:
            for entry in event["metadataEntries"]:
                if entry["label"] == "embedded":
                    return entry["intValue"]
        return None


@pytest.fixture
def start(tmp_path):
    """Starts ``dg dev`` on a pipeline with a model."""
    with contextlib.ExitStack() as stack:

        def start(model):
            dev = Live(tmp_path, model)
            dev.start()
            stack.callback(dev.stop)
            dev.wait_ready()
            return dev

        yield start


def _another_model(live):
    live.edit(name="emoji-xs")
    run, tags = live.settled(2)
    assert run["status"] == "SUCCESS"
    assert {"/".join(key["path"]) for key in run["assetSelection"]} == {
        "emoji/embeddings/clip",
        "emoji/index/found",
        "emoji/published/found",
    }
    fingerprint, previous = tags["fingerprint.clip"], tags["previous_fingerprint.clip"]
    assert fingerprint != previous
    assert fingerprint in live.skip()
    assert live.published() == "emoji-xs"
    live.say(f"old {previous}, new {fingerprint}; embedded {live.embedded(run)}")
    fresh = live.wait(lambda seen: {n["staleStatus"] for n in seen["assetNodes"]} == {"FRESH"}, "no stale badge")
    live.say(f"stale badges: {[node['staleStatus'] for node in fresh['assetNodes']]}")


def _no_other_vectors(live):
    live.edit(batch_size=16)
    live.quiet(2)
    live.edit(normalize=False)
    live.settled(3)


def _there_and_back(live):
    live.edit(name="emoji-s", normalize=True)
    back, _ = live.settled(4)
    assert live.embedded(back) == 0
    assert live.published() == "emoji-s"

    live.edit(name="emoji-xs")
    live.wait(lambda seen: len(live.runs(seen)) == 5, "a run for the other model")
    live.edit(name="emoji-s")
    seen = live.wait(
        lambda seen: (
            all(run["status"] == "SUCCESS" for run in live.runs(seen))
            and "up to date" in live.skip(seen)
            and live.published() == "emoji-s"
        ),
        "back on the first model",
    )
    live.say(f"there and back during the run: {len(live.runs(seen))} runs, published {live.published()}")


def _a_broken_yaml(live):
    count, text = len(live.runs()), live.file.read_text()
    live.say("half of the YAML is written")
    live.file.write_text(text[: len(text) // 2])
    assert "defs.yaml:" in live.skip(live.quiet(count))
    live.say("the YAML is deleted")
    live.file.unlink()
    assert "no such file" in live.skip(live.quiet(count))
    live.file.write_text(text)
    assert "up to date" in live.skip(live.quiet(count))


def _a_failing_model(live):
    count = len(live.runs())
    live.edit(pretrained="broken.pt", name="ViT-B-32")
    assert "broken.pt is not there" in live.skip(live.quiet(count))
    live.say("a file that is no checkpoint")
    (live.file.parent / "broken.pt").write_bytes(b"no checkpoint")
    run, _ = live.settled(count + 1, says="another try would fail as well")
    assert run["status"] == "FAILURE"
    live.quiet(count + 1)
    assert live.published() == "emoji-s"
    live.attributes["embeddings"]["clip"].pop("pretrained")


def _a_model_out_of_reach(live):
    count = len(live.runs())
    before = live.attributes["embeddings"]["clip"]
    live.attributes["embeddings"]["clip"] = {"provider": "counting", "flaky": 99, "retry": {"max_retries": 0}}
    live.edit(name="b")
    live.settled(count + 3, says="failed 3 times")
    live.quiet(count + 3)
    assert live.published() == "emoji-s"
    live.attributes["embeddings"]["clip"] = before
    live.edit(name="emoji-xs")
    live.settled(count + 4)
    assert live.published() == "emoji-xs"


def _a_structural_edit(live):
    count = len(live.runs())
    live.say("a second embedding is declared")
    live.attributes["embeddings"]["second"] = {"provider": "counting"}
    live.write()
    live.settled(count + 1)


SHORT = (_another_model, _a_broken_yaml, _a_structural_edit)
LONG = (
    _another_model,
    _no_other_vectors,
    _there_and_back,
    _a_broken_yaml,
    _a_failing_model,
    _a_model_out_of_reach,
    _a_structural_edit,
)
COUNTING = {"provider": "counting", "name": "emoji-s"}
CLIP = {"provider": "open-clip", "name": "emoji-s", "batch_size": 64}


@pytest.mark.daemon
@pytest.mark.parametrize(
    ("model", "steps"), [(COUNTING, SHORT), pytest.param(CLIP, LONG, marks=pytest.mark.soak)], ids=["short", "long"]
)
def test_the_embeddings_follow_the_yaml(start, model, steps):
    """One server for all of it: its start takes longer than most of the steps."""
    live = start(model)
    live.say("a new pipeline")
    first, _ = live.settled(1)
    assert first["status"] == "SUCCESS"
    for step in steps:
        step(live)
