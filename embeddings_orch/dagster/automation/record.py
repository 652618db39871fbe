"""What Dagster's own record lacks: assets that the store has and this instance never saw materialized."""

from __future__ import annotations

from collections.abc import Mapping

from embeddings_orch.pipeline.automation.missing import Missing, short
from embeddings_orch.spec.keys import AssetKey

_UNRECORDED = "not recorded in this Dagster instance"


def add_unrecorded(missing: Missing, recorded: Mapping[str, str | None]) -> None:
    """Add the assets that Dagster's UI would show as never materialized, or as of another model.

    Args:
        missing: what the store lacks; added to in place.
        recorded: the data version of each asset's last materialization, by key.
    """
    spec = missing.spec
    media = AssetKey.of_media(spec.name)
    if media not in missing.reasons and recorded.get(media) is None:
        missing.reasons[media] = f"{media} is {_UNRECORDED}"
    for name, fingerprint in missing.wanted.items():
        key = AssetKey.of_embedding(spec.name, name)
        if key not in missing.reasons and (recorded.get(key) or "").partition("-")[0] != short(fingerprint):
            missing.reasons[key] = f"{key}: {_UNRECORDED}"
            missing.models[name] = (fingerprint, fingerprint)
    for name, declared in spec.indexes.items():
        key = AssetKey.of_index(spec.name, name)
        dragged_along = missing.without_catalog or any(vector in missing.models for vector in declared.vectors)
        pair = key, AssetKey.of_published(spec.name, name)
        if key not in missing.reasons and not dragged_along and any(recorded.get(asset) is None for asset in pair):
            missing.reasons[key] = f"{key}: {_UNRECORDED}"


def tags_of(missing: Missing) -> dict[str, str]:
    """The tags of a run that say which models are new, and which ones there were."""
    tags: dict[str, str] = {}
    for name, (wanted, before) in missing.models.items():
        tags[f"embeddings_orch/fingerprint.{name}"] = short(wanted)
        tags[f"embeddings_orch/previous_fingerprint.{name}"] = short(before) if before else "none"
    return tags
