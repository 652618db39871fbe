"""Golden queries: searches of one generation whose right answers are known."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from embeddings_orch.errors import EmbeddingsOrchError, StoreError, TerminalError, UnavailableError
from embeddings_orch.models.content import content_hash
from embeddings_orch.models.identity import digest
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.search import Index
from embeddings_orch.spec.index import GoldenSpec
from embeddings_orch.store.generations import CheckResult, Generation

_LOOKED = 100
"""How far down an item that is not found in time is looked for."""


@dataclass(frozen=True)
class GoldenAnswer:
    """Where one expected item of a golden query was found, in words."""

    query: str
    expected: str
    found: str
    passed: bool


def check_golden(
    pipeline: Pipeline, index: str, generation: Generation, listed: Callable[[], Collection[str]]
) -> CheckResult:
    """Search a generation for the declared golden queries, each embedded by the generation's own model.

    A generation never changes, so queries that it has passed are not embedded again.

    Args:
        pipeline: whose index.
        index: the index.
        generation: the generation to search.
        listed: gives the ids of all items.

    Raises:
        StoreError: the generation cannot be read.
        UnavailableError: the model's provider did not answer; a later run may succeed.
    """
    golden = pipeline.spec.indexes[index].checks.golden
    if not golden:
        return CheckResult("golden", True, True, {"queries": 0}, "none declared")
    declared = digest([[_identity(one) for one in golden], generation.search])
    for check in generation.checks:
        if check.name == "golden" and check.passed and check.metadata.get("declared") == declared:
            return check
    configs = [embedding.config for embedding in pipeline.spec.embeddings.values()]
    opened = Index(pipeline.store, pipeline.spec.name, index, configs)
    try:
        answers = _answers(opened, generation, golden, listed())
    finally:
        opened.close()
    failed = [one for one in answers if not all(finding.passed for finding in one)]
    findings = [finding for one in answers for finding in one]
    wrong = [finding for finding in findings if not finding.passed]
    description = f"{len(golden) - len(failed)} of {len(golden)} queries find what is expected"
    if wrong:
        others = f" (and {len(wrong) - 1:,} more)" if len(wrong) > 1 else ""
        description = f"{wrong[0].query}: {wrong[0].expected} {wrong[0].found}{others}"
    return CheckResult(
        "golden",
        not wrong,
        True,
        {
            "queries": len(golden),
            "failed": len(failed),
            "declared": declared,
            "findings": [asdict(finding) for finding in findings],
        },
        description,
    )


def _answers(
    opened: Index, generation: Generation, golden: tuple[GoldenSpec, ...], listed: Collection[str]
) -> list[list[GoldenAnswer]]:
    answers: list[list[GoldenAnswer]] = []
    unusable: dict[str | None, str] = {}
    for one in golden:
        try:
            # A model that cannot be loaded is not tried again for every query.
            found = unusable.get(one.embedding) or _search_ids(opened, generation, one, one.within)
        except (UnavailableError, StoreError):
            raise
        except EmbeddingsOrchError as error:
            found = f"cannot be searched for: {error}"
            if isinstance(error, TerminalError):
                unusable[one.embedding] = found
        except Exception as error:
            found = unusable[one.embedding] = f"cannot be searched for: {type(error).__name__}: {error}"
        if isinstance(found, str):
            answers.append([GoldenAnswer(_label(one), item, found, False) for item in one.expect])
        else:
            answers.append(_findings(opened, generation, one, hits=found, listed=listed))
    return answers


def _findings(
    opened: Index, generation: Generation, one: GoldenSpec, *, hits: list[str], listed: Collection[str]
) -> list[GoldenAnswer]:
    further: list[str] = []
    if any(item not in hits and item in listed for item in one.expect):
        further = _search_ids(opened, generation, one, max(_LOOKED, 2 * one.within))

    def place(item: str) -> str:
        if item in hits:
            return f"is at place {hits.index(item) + 1}"
        if item not in listed:
            return "is not in the catalog"
        # A wider search can find nearer items that the narrow one missed.
        if item in further and further.index(item) >= one.within:
            return f"is at place {further.index(item) + 1}, wanted within {one.within}"
        if item not in further and len(further) < max(_LOOKED, 2 * one.within):
            return f"has no vector, wanted within {one.within}"
        seen = one.within if item in further else len(further)
        return f"is not among the first {seen}, wanted within {one.within}"

    return [GoldenAnswer(_label(one), item, place(item), item in hits) for item in one.expect]


def _search_ids(opened: Index, generation: Generation, one: GoldenSpec, limit: int) -> list[str]:
    results = opened.search(one.query, image=one.image, limit=limit, column=one.embedding, generation=generation)
    return [hit.id for hit in results.hits]


def _label(one: GoldenSpec) -> str:
    name = f'"{one.query}"' if one.query is not None else Path(str(one.image)).name
    return f"{name} in {one.embedding}" if one.embedding else name


def _identity(one: GoldenSpec) -> list[object]:
    """What a query and its answer are, with the bytes of a picture, not its path."""
    try:
        picture = content_hash(Path(one.image).read_bytes()) if one.image is not None else None
    except OSError:
        picture = "unreadable"
    return [one.query, picture, list(one.expect), one.within, one.embedding]
