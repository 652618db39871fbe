"""What every embedder promises that asks a server, as tests over a loopback server with scripted faults.

A plugin's test module derives a class; pytest collects the promises, those of `EmbedderConformance` among them:

Example:
    >>> class TestMyProvider(RemoteConformance):  # doctest: +SKIP
    ...     key_variable = "MY_API_KEY"
    ...
    ...     def make_server(self) -> LoopbackServer:
    ...         return MyServer()
    ...
    ...     def make_config(self) -> MyConfig:
    ...         return MyConfig(base_url=self.server.url)
    ...
    ...     def malformed(self) -> Mapping[str, Fault]:
    ...         return {"a vector too few": Fault.change_answer(lambda body: {**body, "data": body["data"][:-1]})}
    ...
    ...     def terminal(self) -> Mapping[str, Fault]:
    ...         return {"unknown model": Fault.status_code(404, {"error": {"message": "no such model"}})}

The server runs once for the class. Nobody waits between retries, so that a class takes seconds. The config has the
fields of `embeddings_orch.models.remote.RemoteConfig`.
"""

from __future__ import annotations

from embeddings_orch_testing.remote.answers import AnswerPromises
from embeddings_orch_testing.remote.flow import FlowPromises
from embeddings_orch_testing.remote.refusals import RefusalPromises
from embeddings_orch_testing.remote.secrecy import SecrecyPromises
from embeddings_orch_testing.remote.transient import TransientPromises


class RemoteConformance(TransientPromises, AnswerPromises, RefusalPromises, FlowPromises, SecrecyPromises):
    """The promises of one remote provider; derive a class named ``Test...``.

    To give are `make_server`, `make_config`, ``key_variable`` where there is a key, and, as far as the protocol has
    them, `malformed`, `reordered` and `terminal`. For a protocol that is unlike the others there are `counted`,
    `tokens_in` and `make_rejected` to override.
    """
