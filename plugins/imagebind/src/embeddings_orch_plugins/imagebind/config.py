"""Settings of an ImageBind model, and what keeps its vectors true."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ValidationInfo, field_validator

from embeddings_orch.models import (
    EmbeddingsOrchError,
    LocalModelConfig,
    file_sha256,
    files_sha256,
    identity,
    local_path,
    operational,
    plain_text,
)

DOWNLOADED = Path("~/.cache/imagebind_checkpoints/imagebind_huge.pth")
"""Where the package imagebind keeps the weights that it downloads."""

ARGUMENTS_FILE = "config.json"


class ImageBindConfig(LocalModelConfig):
    """An ImageBind model.

    Example:
        >>> ImageBindConfig(weights="/models/imagebind_huge.pth").name
        'imagebind_huge'
    """

    provider: ClassVar[str] = "imagebind"

    name: Literal["imagebind_huge", "own"] = identity(
        "imagebind_huge",
        description="imagebind_huge, or own: a model whose arguments are in a config.json beside its weights.",
    )
    # Its content counts and not its path: it is in the identity as weights_sha256.
    weights: str | None = operational(None, description=f"File of the weights; by default {DOWNLOADED}.")
    batch_size: int = operational(16, ge=1, description="Items per forward pass.")

    @field_validator("weights", mode="before")
    @classmethod
    def _path(cls, value: Any, info: ValidationInfo) -> Any:
        return str(local_path(path, info)) if (path := plain_text(value)) else value

    @property
    def weights_file(self) -> Path:
        """The file of the weights."""
        return Path(self.weights) if self.weights else DOWNLOADED.expanduser()

    def digest(self) -> str:
        """sha256, 64 hex digits, of the weights; of ``own`` ones that of what ``sha256sum config.json FILE`` prints.

        Raises:
            EmbeddingsOrchError: they cannot be read.
        """
        file = self.weights_file
        try:
            if self.name == "own":
                return files_sha256(file.parent, [ARGUMENTS_FILE, file.name])
            return file_sha256(file)
        except OSError as error:
            raise EmbeddingsOrchError(f"cannot read the weights {file}: {error.strerror}") from error

    def identity(self) -> dict[str, Any]:
        """The identity fields, with the weights by their content.

        Raises:
            EmbeddingsOrchError: the weights are not on this machine and no ``weights_sha256`` pins them.
        """
        fields = super().identity()
        if self.weights_sha256 is None:
            try:
                fields["weights_sha256"] = self.digest()
            except EmbeddingsOrchError as error:
                hint = "set weights_sha256 where the weights are only on the machine that embeds"
                raise EmbeddingsOrchError(f"the fingerprint of imagebind needs its weights: {error}; {hint}") from error
        return fields
