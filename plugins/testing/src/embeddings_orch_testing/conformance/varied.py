"""Configs that differ from another in one field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.identity import Role, role_of

_NEEDS: Mapping[str, Mapping[str, Any]] = {"max_cost_usd": {"prices": {"per_million_tokens": 0.01, "per_image": 0.01}}}
"""Fields without which another is refused; all of them operational."""

_OTHERS: Mapping[str, Sequence[Any]] = {"requests_per_minute": [100_000], "tokens_per_minute": [1_000_000_000]}
"""Other values of fields that all remote providers have: some that need no waiting."""


def vary(
    config: EmbedderConfig, role: Role, variations: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[str, EmbedderConfig]]:
    """Each field of a role with some other value.

    Args:
        config: the others have its fields.
        role: of the fields.
        variations: values to take for a field; else they are guessed from its type.
    """
    fields_set = {name: getattr(config, name) for name in config.model_fields_set}
    for name, field in type(config).model_fields.items():
        if role_of(field) != role:
            continue
        value = getattr(config, name)
        candidates = variations.get(name) or _OTHERS.get(name) or list(_others(value, field.annotation))
        changed = [
            other
            for candidate in candidates
            if (other := _config(type(config), {**fields_set, **_NEEDS.get(name, {}), name: candidate})) is not None
            and getattr(other, name) != value
        ]
        assert changed, f"no other value of {name} was found: give some in variations[{name!r}]"
        for other in changed:
            yield name, other


def _config(config_class: type[EmbedderConfig], settings: dict[str, Any]) -> EmbedderConfig | None:
    try:
        return config_class.model_validate(settings)
    except ValidationError:
        return None


def _others(value: Any, annotation: Any) -> Iterator[Any]:
    """Other values of a field, guessed from its type and value; the config says which of them are allowed."""
    if get_origin(annotation) is Literal:
        yield from (choice for choice in get_args(annotation) if choice != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value * 2 + 1, value / 2)
    elif isinstance(value, str):
        yield from (f"{value}-other", f"{value}_OTHER")
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            for other in _others(getattr(value, name), field.annotation):
                yield {**value.model_dump(), name: other}
    elif isinstance(value, tuple | list):
        yield type(value)(value[:-1]) if value else ("other",)
    elif value is None:
        for part in get_args(annotation):
            yield from _others_of_type(part)
    elif get_args(annotation):
        yield None


def _others_of_type(kind: Any) -> Sequence[Any]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    known: dict[Any, Sequence[Any]] = {bool: [True], int: [1, 512], float: [0.5, 2.0], str: ["other"]}
    return known.get(kind, ())
