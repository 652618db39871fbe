from __future__ import annotations

from acme_server import AcmeServer
from embeddings_orch_acme import AcmeConfig

from embeddings_orch_testing.remote_conformance import RemoteConformance
from embeddings_orch_testing.servers import Fault


def rows(change):
    """The right answer with other rows."""
    return Fault.change_answer(lambda body: {**body, "data": change(body["data"])})


class TestAcme(RemoteConformance):
    key_variable = "ACME_API_KEY"
    sdks = ("httpx",)
    # Written down once: a change of it would embed everything of every user again.
    golden = "4621db12c3d3227872255d4d5d0a406c7f95c356d53c5e3f772233fd05597518"

    def make_server(self):
        return AcmeServer()

    def make_config(self):
        return AcmeConfig(base_url=self.server.url)

    def make_fingerprint_config(self):
        return AcmeConfig()

    def malformed(self):
        return {
            "a vector too few": rows(lambda data: data[:-1]),
            "a vector too many": rows(lambda data: [*data, {**data[-1], "index": len(data)}]),
            "an index twice": rows(lambda data: [{**row, "index": 0} for row in data]),
            "no index": rows(lambda data: [{"vector": row["vector"]} for row in data]),
            "text instead of numbers": rows(lambda data: [{**row, "vector": "AAAA"} for row in data]),
            "NaN": rows(lambda data: [{**row, "vector": [float("nan")] * 64} for row in data]),
            "vectors of another dimension": rows(lambda data: [{**row, "vector": row["vector"][:9]} for row in data]),
            "no data": Fault.change_answer(lambda _: {}),
        }

    def reordered(self):
        return rows(lambda data: data[::-1])

    def terminal(self):
        return {
            "unknown model": Fault.status_code(404, {"error": {"message": "the model 'x' does not exist"}}),
            "no money left": Fault.status_code(402, {"error": {"message": "your account is empty"}}),
        }
