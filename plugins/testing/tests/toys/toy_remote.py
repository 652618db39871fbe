"""A remote provider over a server of its own, and others that break one promise each."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import urlsplit

import numpy as np

from embeddings_orch.errors import ItemError, ResponseError, TerminalError, TransientError
from embeddings_orch.models import http_errors
from embeddings_orch.models.base import Embedder, EmbedderConfig, EmbedResult
from embeddings_orch.models.identity import identity, operational
from embeddings_orch.models.remote import RemoteConfig
from embeddings_orch.policy.packing import Limits
from embeddings_orch.policy.secrets import SecretName, account_of, read_secret
from embeddings_orch_testing.servers import Answer, LoopbackServer, RefusedError, tokens_of, vector_of

DIMENSIONS = 6


class ToyServer(LoopbackServer):
    def answer(self, request):
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            raise RefusedError(401, "this key is not known here")
        texts = request.body["texts"]
        if any(self.rejects(text) for text in texts):
            raise RefusedError(400, "one of the texts is not nice")
        data = [
            {"index": number, "vector": vector_of(request.body["model"], text, DIMENSIONS).tolist()}
            for number, text in enumerate(texts)
        ]
        return Answer(200, {"data": data, "tokens": {"total_tokens": sum(map(tokens_of, texts))}})

    def refusal(self, error):
        return {"error": {"message": error.message}}


class RemoteToyConfig(RemoteConfig):
    provider: ClassVar[str] = "toy-remote"

    name: str = identity("toy", description="Model.")
    base_url: str = operational("http://localhost", description="Where.")
    api_key_env: SecretName = operational("TOY_API_KEY", description="Variable with the key.")


class RemoteToy(Embedder[RemoteToyConfig]):
    config_class: ClassVar[type[EmbedderConfig]] = RemoteToyConfig
    modalities = frozenset({"text"})

    def dimensions(self):
        return DIMENSIONS

    def limits(self, modality):
        return Limits(items=self.config.batch_size)

    def key(self):
        return read_secret(self.config.api_key_env, "the toy's key")

    def account(self):
        return account_of(self.config.provider, self.config.base_url, self.key())

    def address(self):
        return "/embed"

    def embed(self, batch):
        return self.read(self.send(list(batch.contents)), len(batch))

    def send(self, texts):
        where = urlsplit(self.config.base_url)
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=self.config.timeout)
        try:
            body = json.dumps({"model": self.config.name, "texts": texts})
            connection.request("POST", self.address(), body, {"Authorization": f"Bearer {self.key()}"})
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"toy: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise self.refused(answer.status, http_errors.message_in(raw), dict(answer.getheaders()))
        return raw

    def refused(self, status, message, headers):
        return http_errors.error_from_status(status, message, headers)

    def read(self, raw, count):
        body = self.parsed(raw)
        try:
            rows = self.ordered(body["data"])
            vectors = np.array([row["vector"] for row in rows], dtype=np.float32)
            indexes = [row["index"] for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise ResponseError(f"the toy's answer has no vectors: {error}") from None
        self.check(indexes, vectors, count)
        return EmbedResult(vectors, tokens=self.tokens_of(body))

    def parsed(self, raw):
        try:
            return json.loads(raw)
        except ValueError:
            raise ResponseError(f"the toy's answer is no JSON: {http_errors.message_in(raw)}") from None

    def ordered(self, rows):
        return sorted(rows, key=lambda row: row["index"])

    def check(self, indexes, vectors, count):
        if indexes != list(range(count)):
            raise ResponseError(f"the toy gave the vectors {indexes} for {count} texts")
        if vectors.shape != (count, DIMENSIONS):
            raise ResponseError(f"the toy gave vectors of shape {vectors.shape}")

    def tokens_of(self, body):
        return body["tokens"]["total_tokens"]


def broken(name: str, **methods: Any) -> type[RemoteToy]:
    """The toy with one thing wrong."""
    provider = f"toy-remote-{name.lower()}"
    made = {"provider": provider, "__module__": __name__, "__annotations__": {"provider": ClassVar[str]}}
    made |= methods.pop("config", {})
    config = type(f"{name}Config", (RemoteToyConfig,), made)
    return type(name, (RemoteToy,), {"config_class": config, "__module__": __name__, **methods})


def retries_itself(self, texts):
    for attempt in range(3):
        try:
            return RemoteToy.send(self, texts)
        except TransientError:
            if attempt == 2:
                raise
    return b""


class _Dropping:
    def read(self, raw, count):
        vectors = [row["vector"] for row in self.parsed(raw)["data"]]
        return EmbedResult(np.array((vectors + vectors[:1])[:count], dtype=np.float32))


def _serial():
    lock = threading.Lock()

    def send(self, texts):
        with lock:
            return RemoteToy.send(self, texts)

    return send


def _logs_key(self, texts):
    import logging

    logging.getLogger("toy").debug("sending with %s", self.key())
    return RemoteToy.send(self, texts)


def _no_wait(self, status, message, headers):
    return http_errors.error_from_status(status, message)


def _quota_is_transient(self, status, message, headers):
    return TransientError(message) if status in (401, 403, 404) else http_errors.error_from_status(status, message)


def _no_words(self, status, message, headers):
    return http_errors.error_from_status(status, "something went wrong", headers)


def _terminal_500(self, status, message, headers):
    return TerminalError(message) if status >= 500 else http_errors.error_from_status(status, message, headers)


def _whole_batch(self, status, message, headers):
    return TerminalError(message) if status == 400 else http_errors.error_from_status(status, message, headers)


def _patiently(self, texts):
    return RemoteToy.send(RemoteToy(self.config.model_copy(update={"timeout": 60.0})), texts)


def _one_by_one(self, texts):
    """Looks itself for the bad one."""
    try:
        return RemoteToy.send(self, texts)
    except ItemError:
        for text in texts:
            RemoteToy.send(self, [text])
        raise


def _after_all(self, texts):
    """Sends again in the background what it has sent."""
    raw = RemoteToy.send(self, texts)

    def again():
        with suppress(TransientError):
            RemoteToy.send(self, texts)

    threading.Timer(0.1, again).start()
    return raw


def _sleepy(self, texts):
    try:
        return RemoteToy.send(self, texts)
    except TransientError:
        time.sleep(3)
        raise


def _read(self):
    """The key, past what the core takes out of messages."""
    return os.environ[self.config.api_key_env]


def _shows_key(self):
    return os.environ.get(self.config.api_key_env, "no key")


def _parallel(self, texts):
    """Sends each text by itself, all at once, whatever the config allows."""
    if len(texts) > 1:
        return RemoteToy.send(self, texts)
    threads = [threading.Thread(target=RemoteToy.send, args=(self, texts)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return RemoteToy.send(self, texts)


RetriesItself = broken("RetriesItself", send=retries_itself)
IgnoresIndexes = broken(
    "IgnoresIndexes", ordered=lambda self, rows: rows, check=lambda self, indexes, vectors, count: None
)
TakesAnyCount = broken("TakesAnyCount", read=_Dropping.read)
SaysKeyError = broken(
    "SaysKeyError",
    read=lambda self, raw, count: EmbedResult(
        np.array([{row["index"]: row["vector"] for row in json.loads(raw)["data"]}[n] for n in range(count)])
    ),
)
KeyInAddress = broken("KeyInAddress", address=lambda self: f"/embed?key={self.key()}")
OneAtATime = broken("OneAtATime", send=_serial())
FansOut = broken("FansOut", send=_parallel)
LogsKey = broken("LogsKey", send=_logs_key)
NoRetryAfter = broken("NoRetryAfter", refused=_no_wait)
RetriesRefusals = broken("RetriesRefusals", refused=_quota_is_transient)
HidesWords = broken("HidesWords", refused=_no_words)
StopsAt500 = broken("StopsAt500", refused=_terminal_500)
StopsAtBadItems = broken("StopsAtBadItems", refused=_whole_batch)
NeedsNoKey = broken("NeedsNoKey", key=_shows_key)
Estimates = broken("Estimates", tokens_of=lambda self, body: 3)
NoTimeout = broken("NoTimeout", send=_patiently)
OneByOne = broken("OneByOne", send=_one_by_one)
NeverStops = broken("NeverStops", send=_after_all)
SleepsItself = broken("SleepsItself", send=_sleepy)
RemembersNoKey = broken("RemembersNoKey", key=_read)
ShowsItself = broken("ShowsItself", __repr__=lambda self: f"RemoteToy(key={self.key()!r})")
ConfigShowsKey = broken("ConfigShowsKey", config={"__repr__": lambda self: f"Config({os.environ['TOY_API_KEY']})"})

REMOTE = [thing for thing in list(globals().values()) if isinstance(thing, type) and issubclass(thing, RemoteToy)]
