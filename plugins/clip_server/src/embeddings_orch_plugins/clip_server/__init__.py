"""CLIP models behind a server of one's own: Weaviate's multi2vec-clip container and Roboflow Inference.

Example:
    >>> from embeddings_orch_plugins.clip_server import Multi2VecClipConfig
    >>> Multi2VecClipConfig(name="ViT-B-32", inference_url="http://gpu-1:8080").servers()
    ('http://gpu-1:8080',)
"""

from embeddings_orch_plugins.clip_server.config import Multi2VecClipConfig, RoboflowClipConfig
from embeddings_orch_plugins.clip_server.multi2vec import Multi2VecClipEmbedder
from embeddings_orch_plugins.clip_server.roboflow import RoboflowClipEmbedder

__all__ = ["Multi2VecClipConfig", "Multi2VecClipEmbedder", "RoboflowClipConfig", "RoboflowClipEmbedder"]
