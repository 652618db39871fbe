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
from embeddings_orch.store.tables.generations import CheckResult, Generation

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
    declared = digest([[_identity(example) for example in golden], generation.search])
    for check in generation.checks:
        if check.name == "golden" and check.passed and check.metadata.get("declared") == declared:
            return check
    configs = [embedding.config for embedding in pipeline.spec.embeddings.values()]
    opened = Index(pipeline.store, pipeline.spec.name, index, configs, root=pipeline.source.root)
    try:
        answers = _answers(opened, generation, golden, listed())
    finally:
        opened.close()
    failed = [answer for answer in answers if not all(finding.passed for finding in answer)]
    findings = [finding for answer in answers for finding in answer]
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
    for example in golden:
        try:
            # A model that cannot be loaded is not tried again for every query.
            outcome = unusable.get(example.embedding) or _search_ids(opened, generation, example, example.within)
        except (UnavailableError, StoreError):
            raise
        except EmbeddingsOrchError as error:
            outcome = f"cannot be searched for: {error}"
            if isinstance(error, TerminalError):
                unusable[example.embedding] = outcome
        except Exception as error:
            outcome = unusable[example.embedding] = f"cannot be searched for: {type(error).__name__}: {error}"
        if isinstance(outcome, str):
            answers.append([GoldenAnswer(_label(example), item, outcome, False) for item in example.expect])
        else:
            answers.append(_findings(opened, generation, example, hits=outcome, listed=listed))
    return answers


def _findings(
    opened: Index, generation: Generation, example: GoldenSpec, *, hits: list[str], listed: Collection[str]
) -> list[GoldenAnswer]:
    further: list[str] = []
    if any(item not in hits and item in listed for item in example.expect):
        further = _search_ids(opened, generation, example, max(_LOOKED, 2 * example.within))

    def place(item: str) -> str:
        if item in hits:
            return f"is at place {hits.index(item) + 1}"
        if item not in listed:
            return "is not in the catalog"
        # A wider search can find nearer items that the narrow one missed.
        if item in further and further.index(item) >= example.within:
            return f"is at place {further.index(item) + 1}, wanted within {example.within}"
        if item not in further and len(further) < max(_LOOKED, 2 * example.within):
            return f"has no vector, wanted within {example.within}"
        seen = example.within if item in further else len(further)
        return f"is not among the first {seen}, wanted within {example.within}"

    return [GoldenAnswer(_label(example), item, place(item), item in hits) for item in example.expect]


def _search_ids(opened: Index, generation: Generation, example: GoldenSpec, limit: int) -> list[str]:
    results = opened.search(
        example.query, image=example.image, limit=limit, column=example.embedding, generation=generation
    )
    return [hit.id for hit in results.hits]


def _label(example: GoldenSpec) -> str:
    name = f'"{example.query}"' if example.query is not None else Path(str(example.image)).name
    return f"{name} in {example.embedding}" if example.embedding else name


def _identity(example: GoldenSpec) -> list[object]:
    """What a query and its answer are, with the bytes of a picture, not its path."""
    try:
        picture = content_hash(Path(example.image).read_bytes()) if example.image is not None else None
    except OSError:
        picture = "unreadable"
    return [example.query, picture, list(example.expect), example.within, example.embedding]
