"""The models, each one entry; a new model of a known family is one entry more.

After the "Inference parameters" pages of the Bedrock user guide and the embeddings schema of the Nova user guide.
"""

from __future__ import annotations

from collections.abc import Mapping

from embeddings_orch_plugins.aws.families import cohere, marengo, nova, titan
from embeddings_orch_plugins.aws.families.base import ModelFamily

MODELS: Mapping[str, ModelFamily] = {
    "amazon.titan-embed-text-v1": titan.TEXT_V1,
    "amazon.titan-embed-text-v2:0": titan.TEXT_V2,
    "amazon.titan-embed-image-v1": titan.IMAGE,
    "cohere.embed-english-v3": cohere.V3,
    "cohere.embed-multilingual-v3": cohere.V3,
    "cohere.embed-v4:0": cohere.V4,
    "amazon.nova-2-multimodal-embeddings-v1:0": nova.MULTIMODAL,
    "twelvelabs.marengo-embed-2-7-v1:0": marengo.V2_7,
    "twelvelabs.marengo-embed-3-0-v1:0": marengo.V3_0,
}
"""By base model id."""
