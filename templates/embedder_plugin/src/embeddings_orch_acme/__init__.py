"""Embeddings of Acme. Importing this loads no HTTP library and no Dagster."""

from embeddings_orch_acme.config import AcmeConfig as AcmeConfig
from embeddings_orch_acme.embedder import AcmeEmbedder as AcmeEmbedder
