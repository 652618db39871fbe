"""The most of all that a request may have, in one place; bytes are of UTF-8. docs/server.md has them as a table.

No request within them takes more than two seconds or 300 MiB on two cores, over an index of 20,000 rows:
``benchmarks/limits.py`` sends the worst of each kind. What a model does with a text, and a picture's pixels, is apart.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

URL = 16 * 1024
"""Bytes of a path with its query string."""

HEADER = 16 * 1024
"""Bytes of one header; all together are limited by `embeddings_orch.server.running`."""

JSON_KEYS = 4_200
"""Keys of all objects of a body: 2,048 inputs of OpenAI's route have one each."""

JSON_VALUES = 30_000
"""Elements of all lists and objects of a body."""

JSON_NUMBER = 1_000
"""Bytes of a number."""

JSON_DEPTH = 32
"""Lists and objects within each other."""

TEXT = 100_000
"""Bytes of a text to embed; a tokenizer takes seconds and much memory for what a model cuts off anyway."""

KEYWORDS = 250
"""Words that the full text is searched for: each is looked up, and one that most rows have takes milliseconds."""

KEYWORD_BYTES = 4_000

NAME = 1_000
"""Bytes of a name; looking for the one that is nearest to it takes long where it is long."""

ID = 4_096
"""Bytes of an item's id, and of a URL."""

DIMENSIONS = 16_384
COLUMNS = 100
OFFSET = 100_000
INPUTS = 2_048
"""Texts of a request that embeds, and pictures."""

PROMPTS = 128
"""Pictures or prompts of a request; Roboflow's own default is 8."""

FILTER = 16 * 1024
"""Bytes of a filter without its values."""

FILTER_TERMS = 200
FILTER_DEPTH = 16
FILTER_PARAMS = 200
FILTER_VALUES = 10_000
"""Values that parameters put into a filter, all together, as often as they are used."""

FILTER_VALUE_BYTES = 2**20
"""Bytes of these values."""

FILTER_ALL = 200
"""Those of them that an item's list has to have all of: each row gets a copy of them."""

FILTER_ALL_BYTES = 16 * 1024

FILTER_JOINS = 16
"""Texts that are put together row by row: by ``||``, or into an array."""

PATTERNS = 1_000
"""Bytes of all patterns of a filter, of LIKE and of regular expressions."""

PATTERN_WILDCARDS = 50
"""``%`` and ``_`` of all patterns of LIKE, and what stands for more than one text in all regular expressions: each of
``. * + ? | [ { \\``, times all counts (``{10}``) of its expression."""


def size_of(text: str) -> int:
    """Bytes of a text in UTF-8; half of a surrogate pair counts as 3."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def at_most(most: int) -> AfterValidator:
    """Checks that a text of a request has so many bytes at the most."""

    def check(text: str) -> str:
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            raise PydanticCustomError("no_text", "has half of a surrogate pair, which is no text") from error
        if size > most:
            raise PydanticCustomError("too_long", "has more than {most} bytes", {"most": f"{most:,}"})
        return text

    return AfterValidator(check)


ShortName = Annotated[str, at_most(NAME)]
ItemId = Annotated[str, at_most(ID)]
ShortText = Annotated[str, at_most(TEXT)]
