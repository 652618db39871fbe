"""All that the author of an embedder or a reranker needs, in one import.

A plugin's modules import from here and nowhere else in the package, except for `embeddings_orch.media`, where a model
decodes pictures. What is here stays: names move behind it, not in it. Importing it loads no torch and no SDK.

Example:
    >>> from embeddings_orch.models import Batch, Embedder, EmbedderConfig, EmbedResult, identity
"""

from embeddings_orch.errors import (
    BatchTooLargeError,
    CancelledError,
    EmbeddingsOrchError,
    ItemError,
    PluginError,
    ProviderError,
    RateLimitedError,
    ResponseError,
    SuspectError,
    TerminalError,
    TransientError,
    UnavailableError,
)
from embeddings_orch.models.base import Batch, Embedder, EmbedderConfig, EmbedResult, config_from, embedder_for
from embeddings_orch.models.base64_text import decode_base64
from embeddings_orch.models.content import Failure, Item, Modality, Side, Vectors, content_hash, content_key
from embeddings_orch.models.http_errors import error_from_status, message_in, parse_duration, retry_after_in
from embeddings_orch.models.identity import Role, identity, operational, role_of
from embeddings_orch.models.local import (
    DEVICE,
    LocalModelConfig,
    Precision,
    classify_local_error,
    empty_cache,
    out_of_memory,
    plain_text,
    precision_advice,
    resolve_device,
    short_reason,
    torch_dtype,
)
from embeddings_orch.models.paths import local_path
from embeddings_orch.models.remote import RemoteConfig, RemoteEmbedder, vectors_from
from embeddings_orch.models.reranker import Reranker, RerankerConfig
from embeddings_orch.models.weights import file_sha256, files_sha256
from embeddings_orch.plugins import suggestion
from embeddings_orch.policy.limiter import RateLimits
from embeddings_orch.policy.packing import Limits
from embeddings_orch.policy.prices import Prices
from embeddings_orch.policy.retry import RetryPolicy
from embeddings_orch.policy.secrets import SecretName, account_of, read_secret, remember, shows_secret

__all__ = [
    "account_of",
    "Batch",
    "BatchTooLargeError",
    "CancelledError",
    "classify_local_error",
    "config_from",
    "content_hash",
    "content_key",
    "decode_base64",
    "DEVICE",
    "Embedder",
    "embedder_for",
    "EmbedderConfig",
    "EmbeddingsOrchError",
    "EmbedResult",
    "empty_cache",
    "error_from_status",
    "Failure",
    "file_sha256",
    "files_sha256",
    "identity",
    "Item",
    "ItemError",
    "Limits",
    "local_path",
    "LocalModelConfig",
    "message_in",
    "Modality",
    "operational",
    "out_of_memory",
    "parse_duration",
    "plain_text",
    "PluginError",
    "Precision",
    "precision_advice",
    "Prices",
    "ProviderError",
    "RateLimitedError",
    "RateLimits",
    "read_secret",
    "remember",
    "RemoteConfig",
    "RemoteEmbedder",
    "Reranker",
    "RerankerConfig",
    "resolve_device",
    "ResponseError",
    "retry_after_in",
    "RetryPolicy",
    "Role",
    "role_of",
    "SecretName",
    "short_reason",
    "shows_secret",
    "Side",
    "suggestion",
    "SuspectError",
    "TerminalError",
    "torch_dtype",
    "TransientError",
    "UnavailableError",
    "Vectors",
    "vectors_from",
]
