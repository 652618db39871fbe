"""Search over HTTP: our own API and page, OpenAI's, and those of Weaviate's and Roboflow's CLIP servers.

Needs the extra ``serve`` (FastAPI, uvicorn). The module imports neither at the top level of the package.
"""

from embeddings_orch.server.settings import ServeSettings as ServeSettings
