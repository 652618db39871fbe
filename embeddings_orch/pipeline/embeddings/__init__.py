"""The embeddings step: embed what has no vector yet."""
