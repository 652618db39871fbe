"""Providers' servers on loopback: real HTTP, real protocols, faults on demand, an embedding that follows the input.

Example:
    >>> with OpenAIServer() as server:  # doctest: +SKIP
    ...     server.faults.script(Fault.status_code(429, headers={"retry-after": "1"}), Fault.reset())
    ...     config = OpenAIConfig(base_url=server.url)
    ...     assert server.requests[0].body["model"] == "text-embedding-3-small"
"""

from embeddings_orch_testing.servers.base import Answer as Answer
from embeddings_orch_testing.servers.base import Bucket as Bucket
from embeddings_orch_testing.servers.base import LoopbackServer as LoopbackServer
from embeddings_orch_testing.servers.base import RecordedRequest as RecordedRequest
from embeddings_orch_testing.servers.base import RefusedError as RefusedError
from embeddings_orch_testing.servers.bedrock import BedrockServer as BedrockServer
from embeddings_orch_testing.servers.bedrock import bedrock_fault as bedrock_fault
from embeddings_orch_testing.servers.faults import Fault as Fault
from embeddings_orch_testing.servers.faults import Faults as Faults
from embeddings_orch_testing.servers.gemini import GeminiServer as GeminiServer
from embeddings_orch_testing.servers.gemini import quota_error as quota_error
from embeddings_orch_testing.servers.multi2vec import Multi2VecServer as Multi2VecServer
from embeddings_orch_testing.servers.openai import OpenAIServer as OpenAIServer
from embeddings_orch_testing.servers.roboflow import RoboflowServer as RoboflowServer
from embeddings_orch_testing.servers.vectors import tokens_of as tokens_of
from embeddings_orch_testing.servers.vectors import vector_of as vector_of
