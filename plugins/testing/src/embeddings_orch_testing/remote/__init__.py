"""The parts of `embeddings_orch_testing.remote_conformance`."""
