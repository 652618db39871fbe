"""The parts of `embeddings_orch.testing.remote_conformance`."""
