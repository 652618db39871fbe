"""Amazon Bedrock's embedding models: Titan, Cohere, Nova and Marengo, by name.

Example:
    >>> from embeddings_orch_plugins.aws import BedrockConfig
    >>> BedrockConfig(name="amazon.titan-embed-text-v2:0").dimensions
    1024
"""

from embeddings_orch_plugins.aws.config import BedrockConfig
from embeddings_orch_plugins.aws.embedder import BedrockEmbedder

__all__ = ["BedrockConfig", "BedrockEmbedder"]
