"""Amazon Bedrock's runtime on loopback: InvokeModel for the embedding models, and STS's AssumeRole.

Paths, signing and errors after the service models of bedrock-runtime (2023-09-30, REST-JSON) and sts (2011-06-15,
query and XML). Of a signature only the access key, the scope and the session token are looked at, not the digest.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from embeddings_orch_testing.servers.base import Answer, Bucket, LoopbackServer, RecordedRequest, RefusedError
from embeddings_orch_testing.servers.bedrock_call import STATUS, InvokeRequest, error
from embeddings_orch_testing.servers.bedrock_models import MODELS
from embeddings_orch_testing.servers.faults import Fault

_PATH = re.compile(r"/model/([^/]+)/invoke")
_SIGNED = re.compile(r"\AAWS4-HMAC-SHA256 Credential=([^/,]+)/\d{8}/[\w-]+/(bedrock|sts)/aws4_request, *Signed.*")
_PROFILE = re.compile(r"(?:us|eu|apac|jp|au|ca|global|us-gov)\.")
_LARGEST_BODY = 25_000_000
_XML = {"content-type": "text/xml"}
_CODES = {status: code for code, status in STATUS.items()} | {403: "AccessDeniedException"}


@dataclass(frozen=True)
class IssuedCredentials:
    """Temporary credentials that STS gave.

    Attributes:
        expires: seconds, monotonic, from when on they are refused.
    """

    access_key: str
    secret_key: str
    token: str
    role: str
    session_name: str
    expires: float


class BedrockServer(LoopbackServer):
    """``POST /model/{modelId}/invoke`` and, at ``/``, AssumeRole; ``key`` is the access key id that is accepted.

    A model is named by its id, by an inference profile's (``us.…``), or by an ARN with either in it.

    Example:
        >>> with BedrockServer() as server:  # doctest: +SKIP
        ...     server.key = "AKIDEXAMPLE"
        ...     monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        ...     config = BedrockConfig(name="amazon.titan-embed-text-v2:0", endpoint_url=server.url)

    Args:
        latency, bucket: see `LoopbackServer`.
        models: the base models of ARNs that do not name them.

    Attributes:
        token: the session token that belongs to ``key``; None where it is a lasting key.
        lifetime: seconds for which credentials of AssumeRole are accepted.
        announced: seconds that STS says they last; by default ``lifetime``. botocore fetches new ones 900 seconds
            before that time, so more makes it do so sooner than the server refuses them.
        roles: ARNs that may be assumed; None for any.
        issued: what AssumeRole gave so far, in order.
        counted: tokens of each right answer so far, in order.
    """

    def __init__(
        self, *, latency: float = 0.0, bucket: Bucket | None = None, models: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(latency=latency, bucket=bucket)
        self.models = dict(models or {})
        self.token: str | None = None
        self.lifetime = 3600.0
        self.announced: float | None = None
        self.roles: set[str] | None = None
        self.issued: list[IssuedCredentials] = []
        self.counted: list[int] = []

    def handle(self, request: RecordedRequest) -> tuple[Answer, Fault | None]:
        """With the headers that all of Bedrock's answers have; a scripted error names its type."""
        answer, fault = super().handle(request)
        headers = {"x-amzn-requestid": str(uuid.uuid4()), **answer.headers}
        if answer.status in _CODES and "x-amzn-errortype" not in headers:
            headers["x-amzn-errortype"] = _CODES[answer.status]
        return Answer(answer.status, answer.body, headers), fault

    def clear(self) -> None:
        """Forget the requests so far, and what was counted; credentials stay."""
        super().clear()
        self.counted.clear()

    def answer(self, request: RecordedRequest) -> Answer:
        """An embedding, or temporary credentials."""
        if request.path == "/":
            return self._assume_role(request)
        self._authorize(request)
        matched = _PATH.fullmatch(request.path)
        if matched is None or request.method != "POST":
            raise RefusedError(404, "", "UnknownOperationException", {"x-amzn-errortype": "UnknownOperationException"})
        if len(request.raw) > _LARGEST_BODY:
            raise error(
                "ValidationException",
                "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length "
                f"less than or equal to {_LARGEST_BODY}",
            )
        if not isinstance(request.body, dict):
            raise error("ValidationException", "Malformed input request, please reformat your input and try again.")
        model, profile = self._model(unquote(matched[1]))
        started = time.monotonic()
        body, tokens = MODELS[model](InvokeRequest(model, request.body, profile, self.rejects))
        with self._lock:
            self.counted.append(tokens)
        return Answer(
            200,
            body,
            {
                "x-amzn-bedrock-input-token-count": str(tokens),
                "x-amzn-bedrock-invocation-latency": str(round((time.monotonic() - started + self.latency) * 1000)),
            },
        )

    def refusal(self, error: RefusedError) -> Any:
        """``{"message"}``, in XML from STS."""
        if error.headers.get("content-type") != _XML["content-type"]:
            return {"message": error.message}
        return (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
            f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
        ).encode()

    def _model(self, name: str) -> tuple[str, bool]:
        profile = "inference-profile/" in name
        base = self.models.get(name) or (name.rpartition("/")[2] if name.startswith("arn:") else name)
        if matched := _PROFILE.match(base):
            base, profile = base[matched.end() :], True
        if base not in MODELS:
            raise error("ValidationException", "The provided model identifier is invalid.")
        return base, profile

    def _authorize(self, request: RecordedRequest) -> str | None:
        """The access key of a request that is signed with one that counts now."""
        authorization = request.headers.get("authorization", "")
        if self.key is not None and authorization == f"Bearer {self.key}":
            return None
        if not authorization:
            raise error("MissingAuthenticationTokenException", "Missing Authentication Token")
        matched = _SIGNED.fullmatch(authorization)
        if matched is None:
            raise error("UnrecognizedClientException", "The security token included in the request is invalid.")
        key, token = matched[1], request.headers.get("x-amz-security-token")
        issued = next((session for session in self.issued if session.access_key == key), None)
        expected = issued.token if issued else self.token
        if (issued is None and self.key not in (None, key)) or (expected is not None and token != expected):
            raise error("UnrecognizedClientException", "The security token included in the request is invalid.")
        if issued is not None and time.monotonic() > issued.expires:
            raise error("ExpiredTokenException", "The security token included in the request is expired")
        return key

    def _assume_role(self, request: RecordedRequest) -> Answer:
        try:
            self._authorize(request)
        except RefusedError as refused:
            code = "ExpiredToken" if refused.code == "ExpiredTokenException" else "InvalidClientTokenId"
            raise RefusedError(403, refused.message, code, _XML) from None
        form = {name: values[0] for name, values in parse_qs(request.raw.decode()).items()}
        role, session = form.get("RoleArn", ""), form.get("RoleSessionName", "")
        if form.get("Action") != "AssumeRole":
            raise RefusedError(400, f"Could not find operation {form.get('Action')}", "InvalidAction", _XML)
        if self.roles is not None and role not in self.roles:
            words = f"User is not authorized to perform: sts:AssumeRole on resource: {role}"
            raise RefusedError(403, words, "AccessDenied", _XML)
        issued = IssuedCredentials(
            f"ASIA{uuid.uuid4().hex[:16].upper()}",
            uuid.uuid4().hex,
            f"session-{uuid.uuid4().hex}",
            role,
            session,
            time.monotonic() + self.lifetime,
        )
        with self._lock:
            self.issued.append(issued)
        announced = self.lifetime if self.announced is None else self.announced
        expires = datetime.fromtimestamp(time.time() + announced, UTC).isoformat(timespec="milliseconds")
        person = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
        return Answer(
            200,
            (
                '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
                f"<AssumedRoleUser><AssumedRoleId>AROA:{escape(session)}</AssumedRoleId>"
                f"<Arn>{escape(person)}/{escape(session)}</Arn></AssumedRoleUser><Credentials>"
                f"<AccessKeyId>{issued.access_key}</AccessKeyId><SecretAccessKey>{issued.secret_key}</SecretAccessKey>"
                f"<SessionToken>{issued.token}</SessionToken><Expiration>{expires}</Expiration></Credentials>"
                f"</AssumeRoleResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>"
                "</AssumeRoleResponse>"
            ).encode(),
            _XML,
        )


def bedrock_fault(code: str, message: str = "", headers: Mapping[str, str] | None = None) -> Fault:
    """One of Bedrock's errors as a fault: ``bedrock_fault("ModelErrorException")``.

    Args:
        code: of `embeddings_orch_testing.servers.bedrock_call.STATUS`.
        message: in Bedrock's words; by default any.
        headers: of the answer, besides the one that names the error.
    """
    words = message or f"scripted {code}"
    return Fault.status_code(STATUS[code], {"message": words}, {"x-amzn-errortype": code, **(headers or {})})
