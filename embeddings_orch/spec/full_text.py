"""What a user declares of an index's full text: its columns, and how their words are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints, TypeAdapter, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from embeddings_orch.models.analysis import (
    MAX_TOKEN_LENGTH,
    MULTILINGUAL,
    NGRAM_LENGTH,
    WORDLESS,
    Analysis,
    Language,
    Tokenizer,
)
from embeddings_orch.spec.base import ColumnName, Spec

_MODEL_BASED = ("jieba", "lindera")
_WORDS: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[Annotated[str, StringConstraints(strict=True)], ...])
_SWITCH: TypeAdapter[bool] = TypeAdapter(bool)


def _read_stop_words(value: Any) -> Any:
    # Each alone: of a union, pydantic would name its alternatives in the place of what is wrong.
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        return _SWITCH.validate_python(value)
    words = _WORDS.validate_python(value)
    for word in words:
        if word.split() != [word]:
            raise PydanticCustomError("full_text", "{word} is not one word", {"word": repr(word)})
    return words


class FullTextSpec(Spec):
    """The columns of an index's full text, and how their words are made; without options, words of every language."""

    columns: tuple[ColumnName, ...] = Field(min_length=1, description="Text columns that keyword search reads.")
    tokenizer: Tokenizer = Field(
        default="icu/split",
        description="What parts a text: icu (words of every language, by dictionary in Chinese, Japanese and Thai), "
        "icu/split (and at signs within a word), simple (at spaces and signs), whitespace, ngram (all pieces of "
        "words), raw (nothing); default icu/split.",
    )
    language: Language | None = Field(
        default=None, description="Whose stems, and stop words of simple and whitespace; without it there are neither."
    )
    stem: bool | None = Field(
        default=None,
        description="Whether a word is found by its other forms, runs by running; default true where a language is "
        "given, which is else English.",
    )
    stop_words: Annotated[bool | tuple[str, ...] | None, BeforeValidator(_read_stop_words)] = Field(
        default=None,
        description="Whether the language's stop words (the, and) are left out, or a list of those to leave out. "
        "Default true for simple and whitespace where a language is given, which is else English.",
    )
    lower_case: bool = Field(default=True, description="Whether capitals are the same as small letters.")
    ascii_folding: bool = Field(default=True, description="Whether é is the same as e, and ß as ss.")
    max_token_length: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description=f"Words of so many bytes and more are left out; default {MAX_TOKEN_LENGTH}, for raw no limit.",
    )
    ngram_min_length: int | None = Field(
        default=None, ge=1, le=32, description=f"Characters of the shortest piece of ngram; default {NGRAM_LENGTH}."
    )
    ngram_max_length: int | None = Field(
        default=None, ge=1, le=32, description=f"Characters of the longest piece of ngram; default {NGRAM_LENGTH}."
    )

    @field_validator("columns")
    @classmethod
    def _check_columns(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        for name in columns:
            if columns.count(name) > 1:
                raise PydanticCustomError("full_text", "{name} stands here twice", {"name": name})
        return columns

    @field_validator("tokenizer", mode="before")
    @classmethod
    def _refuse_models(cls, value: Any) -> Any:
        if isinstance(value, str) and value.split("/")[0] in _MODEL_BASED:
            raise PydanticCustomError(
                "full_text",
                "this one reads model files of each machine, which the store does not keep; icu/split and ngram "
                "find the words of Chinese, Japanese and Korean without",
            )
        return value

    @field_validator("language", "stem", "stop_words", "max_token_length", "ngram_min_length", "ngram_max_length")
    @classmethod
    def _check_conflicts(cls, value: Any, info: ValidationInfo) -> Any:
        # The tokenizer is not there where it is wrong itself.
        if value is None or "tokenizer" not in info.data:
            return value
        why = _refusal(info.data["tokenizer"], str(info.field_name), value)
        shortest = info.data.get("ngram_min_length")
        if not why and info.field_name == "ngram_max_length" and shortest is not None and value < shortest:
            why = f"it is less than ngram_min_length, {shortest}"
        if why:
            raise PydanticCustomError("full_text", "{why}", {"why": why})
        return value

    @property
    def analysis(self) -> Analysis:
        """How the words are made."""
        options = {name: getattr(self, name) for name in type(self).model_fields if name != "columns"}
        return Analysis.of_options({name: value for name, value in options.items() if value is not None})


def _refusal(tokenizer: str, key: str, value: Any) -> str:
    """Why an option does not go with a tokenizer, and what to do; else nothing."""
    if key.startswith("ngram_"):
        return "" if tokenizer == "ngram" else f"this is for tokenizer: ngram, not {tokenizer}; leave it out"
    if key == "max_token_length":
        return "ngram_max_length says how long the pieces of ngram are; leave this out" if tokenizer == "ngram" else ""
    if tokenizer in WORDLESS and value is not False and value != ():
        return (
            f"the tokenizer {tokenizer} makes no words, which this is about; leave it out, or choose simple, "
            "whitespace, icu or icu/split"
        )
    if tokenizer in MULTILINGUAL and key == "stop_words" and value is True:
        return (
            f"for the tokenizer {tokenizer} LanceDB leaves out the stop words of all languages at once, cat and dog "
            "among them; leave this out, list the words, or choose tokenizer: simple"
        )
    return ""


_NAMES: TypeAdapter[tuple[ColumnName, ...]] = TypeAdapter(tuple[ColumnName, ...])


def _read_full_text(value: Any) -> Any:
    # Each form alone, so that an error is about the one that is given.
    if isinstance(value, FullTextSpec):
        return value
    if isinstance(value, Mapping):
        return FullTextSpec.model_validate(value)
    if not isinstance(value, list | tuple):
        raise PydanticCustomError("full_text", "a list of columns is expected, or a mapping with columns")
    return _NAMES.validate_python(value)


FullText: TypeAlias = Annotated[tuple[ColumnName, ...] | FullTextSpec, BeforeValidator(_read_full_text)]
"""``[caption]``, or ``{columns: [caption], language: German}``."""
