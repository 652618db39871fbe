"""The steps of a pipeline, free of Dagster: scan, embed, index, check, publish, and the plan of them all."""

from embeddings_orch.pipeline.context import Pipeline as Pipeline
