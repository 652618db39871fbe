from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from embeddings_orch_testing.servers.bedrock import BedrockServer

KEY = "AKIDEXAMPLE0123456789"
SECRET = "wJalrXUtnFEMIexamplesecretkey"


@pytest.fixture(scope="session", autouse=True)
def _nobodys_credentials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """None of the person who runs the tests, and none of the machine, which would be waited for."""
    home = tmp_path_factory.mktemp("aws")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", str(home / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        yield


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lasting key in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockServer]:
    """Bedrock and STS, for `KEY` alone."""
    with BedrockServer() as running:
        running.key = KEY
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", running.url)
        yield running
