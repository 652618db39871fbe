"""The command ``embeddings-orch``."""

from embeddings_orch.cli.main import main as main
