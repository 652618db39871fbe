"""What the errors of Bedrock, of STS and of botocore mean.

Codes after the service model of bedrock-runtime and "Common error types" of the AWS references. Importing this
module imports no botocore.
"""

from __future__ import annotations

import re

from embeddings_orch.models import (
    ItemError,
    ProviderError,
    RateLimitedError,
    ResponseError,
    SuspectError,
    TerminalError,
    TransientError,
    error_from_status,
    message_in,
    retry_after_in,
)

_THROTTLED = frozenset(
    {"ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded"}
)
_TRANSIENT = frozenset(
    {"InternalFailure", "InternalServerError", "InternalServerException", "ModelNotReadyException"}
    | {"ModelTimeoutException", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable"}
    | {"ServiceUnavailableException"}
)
_RENEW = "the credentials have expired: sign in again (aws sso login) or renew them, then run again"
_CHECK_KEYS = "AWS does not know these credentials: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and profile_name"
_WHAT_TO_DO = {
    "AccessDenied": "allow sts:AssumeRole on the role, and these credentials in the role's trust policy",
    "AccessDeniedException": "allow bedrock:InvokeModel on the model, and request access to it in this region",
    "ExpiredToken": _RENEW,
    "ExpiredTokenException": _RENEW,
    "IncompleteSignature": _CHECK_KEYS,
    "InvalidClientTokenId": _CHECK_KEYS,
    "InvalidSignatureException": "the secret key does not fit the access key, or this machine's clock is wrong",
    "MissingAuthenticationTokenException": _CHECK_KEYS,
    "RequestExpired": "this machine's clock is wrong",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "ResourceNotFoundException": "check the name, and whether the region has the model",
    "ServiceQuotaExceededException": "raise the quota in Service Quotas, or use another region",
    "SignatureDoesNotMatch": "the secret key does not fit the access key, or this machine's clock is wrong",
    "UnrecognizedClientException": _CHECK_KEYS,
}
_NO_MODEL = re.compile(
    r"model identifier is invalid|on-demand throughput|inference profile|end of its life|not authorized|"
    r"operation not allowed|model (is )?not supported",
    re.IGNORECASE,
)
_SCHEMA = re.compile(r"required key|extraneous key|schema violation|enum value|subject must", re.IGNORECASE)
_INPUT = re.compile(
    r"too many input tokens|too (long|large)|(max|min)Length|image|base64|length less than or equal|input text|"
    r"empty|(maximum|max) (number of )?(tokens|characters|size)|content (policy|filter)",
    re.IGNORECASE,
)
_NO_KEYS = (
    "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in profile_name, sign in "
    "with aws sso login, or give the machine a role"
)


def classify(error: Exception) -> ProviderError | None:
    """The error that one of botocore's means, None for any other."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return _from_answer(error)
    if isinstance(error, exceptions.SSLError):
        # A connection cut in the handshake comes as one too.
        dropped = re.search(r"EOF|reset|timed out", str(error))
        return TransientError(f"TLS: {error}") if dropped else TerminalError(f"TLS: {error}; check endpoint_url")
    if isinstance(error, exceptions.EndpointConnectionError):
        return TransientError(f"{error} Are region and endpoint_url right?")
    if isinstance(error, exceptions.IncompleteReadError | exceptions.ResponseStreamingError):
        return ResponseError(f"the answer was cut off: {error}")
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        return TransientError(f"{type(error).__name__}: {error}")
    if isinstance(error, exceptions.NoCredentialsError | exceptions.NoAuthTokenError):
        return TerminalError(_NO_KEYS)
    if isinstance(error, exceptions.ProfileNotFound):
        return TerminalError(f"{error}: write it into ~/.aws/config, or change profile_name")
    if isinstance(error, exceptions.BotoCoreError):
        return TerminalError(f"{type(error).__name__}: {error}")
    return None


def _from_answer(error: Exception) -> ProviderError:
    response = getattr(error, "response", {})
    code = str(response.get("Error", {}).get("Code", ""))
    words = message_in(str(response.get("Error", {}).get("Message", "")))
    metadata = response.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    text = f"{code}: {words}"
    wait = retry_after_in(headers)
    if code in _THROTTLED:
        return RateLimitedError(text, retry_after=wait)
    if code in _TRANSIENT:
        return TransientError(text, retry_after=wait)
    if code == "ModelErrorException":
        return SuspectError(text, retry_after=wait, max_retries=1)
    if code in _WHAT_TO_DO:
        return TerminalError(f"{text}; {_WHAT_TO_DO[code]}")
    if code == "ValidationException":
        return _validation(text)
    return error_from_status(status, text, headers) if status else TerminalError(text)


def _validation(text: str) -> ProviderError:
    if _NO_MODEL.search(text):
        return TerminalError(f"{text}; check name and region: some models are called by an inference profile (us.…)")
    if _SCHEMA.search(text):
        return ItemError(text, certain=False)
    return ItemError(text, certain=_INPUT.search(text) is not None)
