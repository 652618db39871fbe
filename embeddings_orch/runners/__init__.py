"""What carries batches through the embed step: the local runner, and runner plugins."""

from embeddings_orch.runners.base import Content as Content
from embeddings_orch.runners.base import Runner as Runner
