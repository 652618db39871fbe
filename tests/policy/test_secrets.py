"""Secrets are named in a declaration, and shown nowhere."""

import os
import subprocess
import sys
import traceback
from typing import ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from embeddings_orch.embedding import step as embed_step
from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import SpecError, TerminalError, TransientError
from embeddings_orch.models.base import Embedder, EmbedResult
from embeddings_orch.models.identity import operational
from embeddings_orch.models.remote import RemoteConfig
from embeddings_orch.policy import secrets
from embeddings_orch.policy.secrets import SecretName, account_of, read_secret, redact, remember, shows_secret
from embeddings_orch.spec.yaml_file import load_pipeline

KEY = "sk-proj-AbCdEf0123456789AbCdEf0123456789"


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(secrets, "_remembered", {})


class KeyedConfig(RemoteConfig):
    provider: ClassVar[str] = "keyed"

    api_key_env: SecretName = operational("KEYED_API_KEY", description="Variable with the key.")


def test_a_secret_is_read_and_taken_out_of_messages(monkeypatch):
    monkeypatch.setenv("KEYED_API_KEY", f" {KEY}\n")
    assert redact(f"Incorrect API key provided: {KEY}.") == f"Incorrect API key provided: {KEY}."
    assert read_secret("KEYED_API_KEY", "the key") == KEY
    assert redact(f"Incorrect API key provided: {KEY}.") == "Incorrect API key provided: [secret]."


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_a_missing_secret_is_named_by_its_variable(monkeypatch, value):
    monkeypatch.delenv("KEYED_API_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("KEYED_API_KEY", value)
    with pytest.raises(TerminalError, match="the OpenAI API key is missing: set the environment variable KEYED_API_"):
        read_secret("KEYED_API_KEY", "the OpenAI API key")


def test_a_secret_that_another_holds_is_no_obstacle():
    remember("secret-key")
    remember("secret-key-longer")
    assert redact("a secret-key-longer and a secret-key") == "a [secret] and a [secret]"


def test_words_that_are_too_short_for_a_secret_stay():
    remember("none")
    remember("")
    remember(None)
    assert redact("none of them") == "none of them"


@pytest.mark.parametrize("cut", [8, 20, len(KEY) - 1])
def test_a_message_that_was_cut_in_the_middle_of_a_secret_does_not_show_its_beginning(cut):
    remember(KEY)
    assert redact(f"a wrong key: {KEY[:cut]}") == "a wrong key: [secret]"


# Declarations


@pytest.mark.parametrize(
    "name",
    [
        *(
            "OPENAI_API_KEY",
            "key",
            "_K1",
            "HF_TOKEN",
            "skeleton",
            "AZURE_OPENAI_PRODUCTION_KEY_2",
            "ourProductionApiKey2",
        ),
        "KEYFORTHEEMBEDDINGSOFTHEARCHIVE",
    ],
)
def test_names_of_variables_are_taken(name):
    assert KeyedConfig(api_key_env=name).api_key_env == name


@pytest.mark.parametrize(
    "value",
    [
        *(
            KEY,
            "sk_live_0123456789abcdefABCDEF",
            "AKIAIOSFODNN7EXAMPLEX",
            "AIzaSyA0123456789abcdefghij",
            "a b",
            "",
            "1A",
        ),
        *("d41d8cd98f00b204e9800998ecf8427e", "qWeRtYuIoPaSdFgHjKlZxCvBnM", "acme_AbC4dEf6GhI8jKl0MnO"),
    ],
)
def test_a_key_in_the_place_of_a_name_is_refused_without_showing_it(value):
    with pytest.raises(ValidationError) as caught:
        KeyedConfig(api_key_env=value)
    assert "is not the name of an environment variable" in str(caught.value)
    assert not value or value not in str(caught.value)


def test_a_literal_key_is_refused_without_showing_it():
    with pytest.raises(ValidationError) as caught:
        KeyedConfig(api_key=KEY)
    assert "'api_key' would put a secret into the file" in str(caught.value)
    assert "name it in 'api_key_env'" in str(caught.value)
    assert KEY not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("field", ["api_key", "api_key_env"])
def test_a_key_in_a_yaml_is_refused_with_the_line_and_without_the_key(gallery, monkeypatch, field):
    monkeypatch.setattr("embeddings_orch.plugins.load", loading(Keyed))
    gallery.model("mine", provider="keyed", log=None, **{field: KEY})
    declared = gallery.attributes["embeddings"]["mine"]
    del declared["log"]
    gallery.declare()
    with pytest.raises(SpecError) as caught:
        load_pipeline(gallery.file)
    shown = "".join(traceback.format_exception(caught.value))
    assert "api_key_env" in str(caught.value)
    assert "defs.yaml" in str(caught.value)
    assert KEY not in shown


def loading(embedder):
    from embeddings_orch import plugins

    load = plugins.load
    return lambda group, name: embedder if name == "keyed" else load(group, name)


def test_settings_and_repr_have_the_variables_name_only(monkeypatch):
    monkeypatch.setenv("KEYED_API_KEY", KEY)
    config = KeyedConfig()
    assert KEY not in f"{config!r} {config.settings()} {config.identity()}"
    assert config.settings()["api_key_env"] == "KEYED_API_KEY"


# Errors


class Keyed(Embedder[KeyedConfig]):
    config_class = KeyedConfig
    modalities = frozenset({"text"})
    fail = staticmethod(lambda key: None)

    def embed(self, batch):
        self.fail(read_secret(self.config.api_key_env, "the key"))
        return EmbedResult(np.ones((len(batch), 2), dtype=np.float32))

    def classify(self, error):
        if isinstance(error, SDKError):
            return TerminalError(f"refused: {error}")
        return super().classify(error)


class SDKError(Exception):
    """Of an SDK."""


def plain(key):
    raise SDKError(f"key {key} is wrong")


def own(key):
    raise TerminalError(f"key {key} is wrong")


def chained(key):
    try:
        raise SDKError(f"key {key} is wrong")
    except SDKError as error:
        raise TerminalError("refused") from error


def in_context(key):
    try:
        raise SDKError({"headers": {"authorization": f"Bearer {key}"}})
    except SDKError:
        raise TerminalError("refused")  # noqa: B904


def deep(key):
    try:
        chained(key)
    except TerminalError as error:
        raise SDKError("nothing to see") from error


def transient(key):
    try:
        raise OSError(f"https://host/embed?key={key}")
    except OSError as error:
        raise TransientError(f"no answer from host?key={key}") from error


@pytest.mark.parametrize("fail", [plain, own, chained, in_context, deep, transient])
def test_no_error_that_leaves_the_step_shows_the_key_in_any_of_its_causes(monkeypatch, fail):
    monkeypatch.setenv("KEYED_API_KEY", KEY)
    embedder = Keyed(KeyedConfig())
    embedder.fail = fail
    monkeypatch.setattr(embed_step, "embedder_for", lambda _: embedder)
    step = EmbedStep(embedder.config, sleep=lambda _: None)
    with pytest.raises(TerminalError) as caught:
        step([Prepared(b"a", "a", "text", "a")])
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert KEY not in f"{caught.value!r} {caught.value.args}"


def test_a_cause_without_a_secret_is_kept(monkeypatch):
    monkeypatch.setenv("KEYED_API_KEY", KEY)
    embedder = Keyed(KeyedConfig())
    embedder.fail = lambda key: chained("number five")
    monkeypatch.setattr(embed_step, "embedder_for", lambda _: embedder)
    with pytest.raises(TerminalError) as caught:
        EmbedStep(embedder.config)([Prepared(b"a", "a", "text", "a")])
    assert str(caught.value.__cause__) == "key number five is wrong"


def test_shows_secret_ends_where_causes_go_in_circles():
    remember(KEY)
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not shows_secret(first)
    second.args = (KEY,)
    assert shows_secret(first)


# Accounts


@pytest.mark.process
def test_an_account_does_not_show_its_key_and_is_the_same_in_every_process():
    account = account_of("openai", "https://api.openai.com", KEY)
    code = """
import os
from embeddings_orch.policy.secrets import account_of
print(account_of("openai", "https://api.openai.com", os.environ["K"]))
"""
    other = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "K": KEY}, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == account
    assert KEY not in account


def test_other_parts_are_another_account():
    accounts = {account_of("a", "b"), account_of("ab"), account_of("a", None, "b"), account_of("a", "b", None)}
    assert len(accounts) == 4
