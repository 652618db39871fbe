"""The requests of the server's page in the docs are answered as it says, by curl."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text()
CURLS = re.findall(r"^\$ (curl .*)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def project(shared_gallery):
    """The items, the pipeline and the index that the page names."""
    gallery = shared_gallery(pictures=15, name="emoji")
    gallery.add("1f34e.png", caption="red fruit, an apple")
    gallery.add("dog.png", caption="a dog")
    (clip,) = gallery.attributes["embeddings"].values()
    index = {"vectors": ["clip"], "full_text": ["caption"]}
    gallery.declare(embeddings={"clip": clip}, indexes={"emoji_search": index})
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def url(project, shared_served):
    return shared_served(project).url


@pytest.mark.process
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("line", CURLS)
def test_a_request_of_the_page_is_answered(project, url, line, tmp_path):
    asked = line.replace("http://127.0.0.1:8080", url).replace("curl -s", "curl -sS --fail-with-body", 1)
    (tmp_path / "dog.png").write_bytes((project.media / "dog.png").read_bytes())
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "/thumbnails" in line:
        assert (tmp_path / "apple.webp").read_bytes()[8:12] == b"WEBP"
    elif "/metrics" in line:
        assert "embeddings_orch_requests_total" in done.stdout
    else:
        answer = json.loads(done.stdout)
        assert "error" not in answer
        if "/v1/search" in line:
            assert set(answer) == {"index", "pipeline", "generation", "hits", "seconds"}
            assert answer["hits"]


def test_the_page_asks_every_route_once(url):
    import httpx

    described = httpx.get(f"{url}/openapi.json", trust_env=False).json()["paths"]
    own = [path for path, methods in described.items() if path.startswith(("/v1/search", "/v1/indexes"))]
    asked = [
        re.sub(r"https?://[^/]+", "", part).partition("?")[0]
        for line in CURLS
        for part in line.split()
        if "://" in part
    ]
    for path in own:
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", path)
        assert [one for one in asked if re.fullmatch(pattern, one)], path


def test_the_options_of_the_page_are_those_of_the_command():
    from embeddings_orch.cli.commands.serve import serve

    told = set(re.findall(r"`(--[a-z-]+)", PAGE[: PAGE.index("## The API")]))
    options = {name for option in serve.params for name in (*option.opts, *option.secondary_opts) if name[:2] == "--"}
    assert told == options - {"--load"}


def test_the_limits_of_the_page_are_those_of_the_server():
    from embeddings_orch.server import connections, protocol, running
    from embeddings_orch.server.gate import bodies
    from embeddings_orch.server.gate import limits as most
    from embeddings_orch.server.routes import thumbnails
    from embeddings_orch.server.settings import ServeSettings

    default = ServeSettings()
    rows = [
        f"{default.max_body // 2**20} MiB, {bodies._BODY_SECONDS:g} seconds; {running._HEADERS // 1024} KiB, "
        f"{protocol.HEAD_SECONDS:g} seconds, one header {most.HEADER // 1024} KiB |",
        f"| a URL | {most.URL // 1024} KiB |",
        f"| {most.JSON_KEYS:,} keys, {most.JSON_VALUES:,} elements, {most.JSON_DEPTH} deep, "
        f"numbers of {most.JSON_NUMBER:,} bytes |",
        f"a parameter | {most.NAME:,} bytes |",
        f"| an id, a picture's URL | {most.ID:,} bytes |",
        f"| {most.TEXT:,} bytes;",
        f"| {most.KEYWORDS}, {most.KEYWORD_BYTES:,} bytes:",
        f"| a vector | {most.DIMENSIONS:,} numbers |",
        f"{default.max_pixels // 10**6} million pixels",
        f"{default.max_limit:,} hits, offset {most.OFFSET:,}, {most.COLUMNS} columns, {default.seconds:g} seconds",
        f"| {most.INPUTS:,} texts, and",
        f"{most.PROMPTS} on Roboflow's routes; {default.seconds:g} seconds |",
        f"| a filter | {most.FILTER:,} bytes, {most.FILTER_TERMS} terms, {most.FILTER_DEPTH} deep;",
        f"| {most.FILTER_PARAMS} parameters, {most.FILTER_VALUES:,} values, {most.FILTER_VALUE_BYTES:,} bytes; "
        f"in `array_has_all` {most.FILTER_ALL} values, {most.FILTER_ALL_BYTES:,} bytes |",
        f"| {most.PATTERNS:,} bytes, {most.PATTERN_WILDCARDS} wildcards:",
        f"| {most.FILTER_JOINS}, by",
        f"| {default.concurrency}, and {default.concurrency * 8} that wait",
        f"files up to {thumbnails._MAX_FILE // 2**20} MiB",
        f"{default.thumbnail_cache // 2**20} MiB of them",
        f"| connections | {default.connections}, {default.peer_connections} of one address (a network of IPv6 is one), "
        f"and {connections.SPARE_CONNECTIONS} spare ones |",
    ]
    limits = PAGE[PAGE.index("## Limits") : PAGE.index("## Operation")]
    assert [row for row in rows if row not in limits] == []
    names = {name for name, value in vars(most).items() if isinstance(value, int)}
    source = Path(__file__).read_text()
    assert [name for name in sorted(names) if f"{{most.{name}" not in source] == [], "a limit that the page has not"
