"""The function ``embeddings-orch`` of LanceDB's registry: any of our models, where LanceDB expects one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from lancedb.embeddings import EmbeddingFunction, register
from pydantic import ConfigDict, PrivateAttr, ValidationError

from embeddings_orch.embedding.contents import failures_message
from embeddings_orch.errors import EmbeddingsOrchError, ItemError, SpecError
from embeddings_orch.lancedb.config import OWN, explain, make_config, pin
from embeddings_orch.lancedb.model import FunctionModel, model_of
from embeddings_orch.lancedb.sources import read_sources, values_of
from embeddings_orch.models.base import EmbedderConfig, config_from
from embeddings_orch.models.content import Failure, Modality, Vectors
from embeddings_orch.models.identity import canonical_json
from embeddings_orch.search.pictures import picture_bytes

NAME = "embeddings-orch"
"""The function's name in LanceDB's registry."""

_BAD_VECTORS = "on_bad_vectors"


@register(NAME)
class EmbeddingsOrchFunction(EmbeddingFunction):  # type: ignore[misc]
    """An embedder of ours. Made by `create`; its other arguments are the settings of the provider's config.

    Attributes:
        provider: the embedder plugin.
        source: what the source column holds: ``text``; or ``image``, ``audio``: files' bytes, paths or URLs. Default
            ``image`` where the model reads pictures, else ``text``.
        allow_urls: fetch pictures that are http(s) URLs; never from a private address.
        fingerprint: of the model that made a table's vectors; another one is refused when it is used.
        max_retries: LanceDB's own retries around ours; always 0.

    Example:
        >>> function = EmbeddingsOrchFunction.create(provider="openai", name="text-embedding-3-small")
        >>> function.ndims()
        1536
    """

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    provider: str
    source: Modality | None = None
    allow_urls: bool = False
    fingerprint: str | None = None
    max_retries: int = 0

    _config: EmbedderConfig = PrivateAttr()

    @classmethod
    def create(cls, **settings: Any) -> Self:
        """Make the function. LanceDB calls it as well, with what a table's metadata keeps.

        Args:
            settings: the attributes above and the settings of the provider; ``max_retries`` is taken as
                ``retry={"max_retries": ...}``.

        Raises:
            PluginError: the provider's plugin is missing or broken.
            SpecError: a setting is wrong, or there is no provider.
        """
        if "max_retries" in settings:
            if "retry" in settings:
                raise SpecError("give max_retries or retry, not both")
            settings["retry"] = {"max_retries": settings.pop("max_retries")}
        try:
            function: Self = super().create(**settings)
        except ValidationError as error:
            raise SpecError(f"the function {NAME!r} cannot be made: {explain(error, OWN)}") from error
        make = config_from if function.fingerprint else make_config  # the one that knows kept settings
        function._config = make(function.provider, function.model_extra or {})
        return function

    @property
    def config(self) -> EmbedderConfig:
        """The settings of the provider."""
        return self._config

    @property
    def reads(self) -> frozenset[Modality]:
        """What the model can embed."""
        return self._model.modalities

    @property
    def failures(self) -> list[Failure]:
        """Source values that have no vector: ``uri`` names one, ``reason`` says why. Shared by all equal functions.

        Remembered in this process, 10,000 at the most, until the value is embedded or `forget_failures` is called.
        """
        return self._model.failures

    def forget_failures(self) -> None:
        """Begin with none."""
        self._model.forget_failures()

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Within it, what stops `Table.add` is raised as it is; LanceDB shows it as the text of a RuntimeError.

        It begins without `failures`, so that those after it are of what was done in it.

        Raises:
            EmbeddingsOrchError: the provider refused; or rows have no vector, and ``on_bad_vectors`` does not say what
                to do with them.
        """
        model = self._model
        model.stopped = None
        model.forget_failures()
        try:
            yield
        except (RuntimeError, ValueError) as error:
            if (stopped := model.stopped) is not None and str(stopped) in str(error):
                raise stopped from error
            if (failed := model.failures) and _BAD_VECTORS in str(error):
                message = failures_message(self._source, failed)
                raise ItemError(f"{message}. {_BAD_VECTORS}='null' adds the rows without them") from error
            raise

    def ndims(self) -> int:
        """The length of the vectors.

        Raises:
            EmbeddingsOrchError: it cannot be had.
        """
        return self._model.dimensions

    def compute_source_embeddings(self, column: Any, *_: Any, **__: Any) -> list[Vectors | None]:
        """Vectors of source values on the document side, in order; None for those that are among `failures`.

        Raises:
            TerminalError: the model cannot be had, or the provider refuses.
        """
        model = self._model
        try:
            model.check(self.fingerprint)
        except EmbeddingsOrchError as error:
            model.stopped = error
            raise
        return model.documents(self._source, read_sources(self._source, values_of(column), allow_urls=self.allow_urls))

    def compute_query_embeddings(self, query: Any, *_: Any, **__: Any) -> list[Vectors]:
        """The vector of one query on the query side: a text; or a picture: Pillow image, bytes, `Path`, uint8 array.

        Raises:
            EmbeddingsOrchError: it cannot be embedded.
        """
        model = self._model
        model.check(self.fingerprint)
        if isinstance(query, str):
            return [model.query("text", query)]
        return [model.query("image", picture_bytes(query, allow_urls=False))]

    # LanceDB's retries would multiply ours, and turn errors into others.
    compute_source_embeddings_with_retry = compute_source_embeddings
    compute_query_embeddings_with_retry = compute_query_embeddings

    def safe_model_dump(self) -> dict[str, Any]:
        """What LanceDB writes into a table's metadata: the model with all that makes its vectors, and no secret.

        Raises:
            EmbeddingsOrchError: a local file that is part of the fingerprint cannot be read.
        """
        urls = {"allow_urls": True} if self.allow_urls else {}
        return {**pin(self._config, self._original_args), "source": self._source, **urls}

    def close(self) -> None:
        """Release the model where nobody else in the process has it; what comes later loads it again."""
        self._model.close()

    @property
    def _model(self) -> FunctionModel:
        return model_of(self._config)

    @property
    def _source(self) -> Modality:
        return self.source or ("image" if "image" in self.reads else "text")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmbeddingsOrchFunction) and self._same() == other._same()

    def __hash__(self) -> int:
        return hash(self._same())

    def _same(self) -> str:
        return canonical_json({**self._config.settings(), "": [self.provider, self.source, self.allow_urls]})
