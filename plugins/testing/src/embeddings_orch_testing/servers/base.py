"""What all loopback servers share: HTTP, a record of the requests, faults, latency, a rate limit of their own."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from embeddings_orch_testing.servers.faults import Fault, Faults

_PIECES = 20


@dataclass(frozen=True)
class RecordedRequest:
    """One request that reached the server.

    Attributes:
        path: without the query.
        query: of the address.
        headers: names in lower case.
        raw: the body's bytes.
        body: the body's JSON, None where it is none.
        at: seconds, monotonic.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    body: Any
    at: float


@dataclass(frozen=True)
class Answer:
    """What the server says to one request."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """The server refuses a request, as the provider would."""

    def __init__(self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, dict(headers or {})


class Bucket:
    """A token bucket: so many requests a minute, so many at once (RFC 2697's committed rate and burst)."""

    def __init__(self, per_minute: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst = per_minute / 60, burst
        self._clock, self._level, self._at = clock, float(burst), clock()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one: 0 where there was one, else the seconds until there is."""
        with self._lock:
            now = self._clock()
            self._level = min(self.burst, self._level + (now - self._at) * self.rate)
            self._at = now
            if self._level >= 1:
                self._level -= 1
                return 0.0
            return (1 - self._level) / self.rate


class LoopbackServer(ABC):
    """A provider's server in threads of this process, on a free port of 127.0.0.1.

    Args:
        latency: seconds that each right answer takes.
        bucket: the server's own rate limit, None for none.
        port: to listen on; 0 for any that is free.

    Attributes:
        faults: what goes wrong, see `Faults`.
        requests: all that came in, the refused ones too, in order.
        refused: what the server itself refused (no scripted faults), in order.
        most_under_way: requests that were being answered at once, at the most.
        reject: inputs that hold this text are refused, in the provider's way of refusing one input; empty for none.
        key: the only key that is accepted; None for any.
    """

    def __init__(self, *, latency: float = 0.0, bucket: Bucket | None = None, port: int = 0) -> None:
        self.latency = latency
        self.bucket = bucket
        self.port = port
        self.faults = Faults()
        self.reject = ""
        self.key: str | None = None
        self.requests: list[RecordedRequest] = []
        self.refused: list[RefusedError] = []
        self.under_way = self.most_under_way = 0
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @abstractmethod
    def answer(self, request: RecordedRequest) -> Answer:
        """The provider's answer to one request.

        Raises:
            RefusedError: the provider would refuse it.
        """

    @abstractmethod
    def refusal(self, error: RefusedError) -> Any:
        """The body of the provider's errors."""

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, without a slash at the end."""
        assert self._server is not None, "start the server first: with OpenAIServer() as server"
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"server_owner": self})

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

        self._server = Server(("127.0.0.1", self.port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def rejects(self, content: str | bytes) -> bool:
        """Whether an input, a text or a picture's bytes, is one to refuse."""
        data = content.encode() if isinstance(content, str) else content
        return bool(self.reject) and self.reject.encode() in data

    def clear(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self.requests.clear()
            self.refused.clear()
            self.most_under_way = self.under_way

    def wait(self, seconds: float) -> None:
        """Let time pass, until the server is stopped at the latest."""
        self._stopped.wait(seconds)

    def handle(self, request: RecordedRequest) -> tuple[Answer, Fault | None]:
        """Record a request and find its answer, and the fault that it meets."""
        with self._lock:
            self.requests.append(request)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return self._answer(request)
        finally:
            with self._lock:
                self.under_way -= 1

    def _answer(self, request: RecordedRequest) -> tuple[Answer, Fault | None]:
        fault = self.faults.next(request)
        if self.bucket is not None and (pause := self.bucket.take()):
            limited = RefusedError(429, "rate limit reached", "rate_limit_exceeded", {"retry-after": f"{pause:.3f}"})
            return Answer(429, self.refusal(limited), limited.headers), None
        if fault is not None and fault.kind == "status" and fault.body is None:
            refused = RefusedError(fault.status, f"scripted fault {fault.status}", "scripted")
            return Answer(fault.status, self.refusal(refused), fault.headers), fault
        try:
            answer = self.answer(request)
        except RefusedError as error:
            with self._lock:
                self.refused.append(error)
            return Answer(error.status, self.refusal(error), error.headers), None
        self.wait(self.latency)
        return answer, fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_owner: LoopbackServer

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        address = urlsplit(self.path)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        request = RecordedRequest(
            self.command,
            address.path,
            {name: values[0] for name, values in parse_qs(address.query).items()},
            {name.lower(): value for name, value in self.headers.items()},
            raw,
            body,
            time.monotonic(),
        )
        answer, fault = self.server_owner.handle(request)
        try:
            self._send(answer, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has gone, after its timeout for one

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        status, headers, body = answer.status, dict(answer.headers), answer.body
        if fault is not None:
            if fault.seconds and fault.kind != "slow":
                self.server_owner.wait(fault.seconds)
            if fault.kind == "reset":
                self._reset()
                return
            if fault.kind in ("status", "body") and fault.body is not None:
                status, headers, body = fault.status, dict(fault.headers), fault.body
            if fault.kind == "change" and fault.change is not None:
                body = fault.change(body)
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if fault is not None and fault.kind == "truncate":
            data = data[: len(data) // 2]
        headers = {"content-type": "application/json", **{name.lower(): value for name, value in headers.items()}}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if fault is not None and fault.kind == "reset_in_body":
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self._reset()
        elif fault is not None and fault.kind == "slow":
            step = max(1, -(-len(data) // _PIECES))
            for start in range(0, len(data), step):
                self.wfile.write(data[start : start + step])
                self.wfile.flush()
                self.server_owner.wait(fault.seconds / _PIECES)
        else:
            self.wfile.write(data)

    def _reset(self) -> None:
        # Lingering for no time at all makes the kernel send RST instead of FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
