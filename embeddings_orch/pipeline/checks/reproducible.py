"""Whether a model still makes the vectors that are in the store: other weights under its name, other libraries.

The check belongs to the index, whose generation keeps results: so it comes before what is new is published, and a run
with nothing to do looks the result up and loads no model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from embeddings_orch.embedding.pool.pool import Lease, shared_pool
from embeddings_orch.errors import StoreError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.identity import digest
from embeddings_orch.models.local import LocalModelConfig, describe_device
from embeddings_orch.models.remote import RemoteConfig
from embeddings_orch.pipeline.checks.repeats import Repeat, repeat_sample
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.indexes.versions import MadeFrom
from embeddings_orch.plugins import installed_versions
from embeddings_orch.store.tables.generations import CheckResult, Generation, IndexedModel

REPRODUCIBLE = "reproducible"

SAME_DEVICE, ANOTHER_DEVICE = 0.999, 0.99
"""The least cosine of a vector and the same content's new one, on the device that it was made on and on another."""

_STATES = 8
"""Sets of libraries that a result is kept for: machines that take turns at a store load no model for that."""


@dataclass(frozen=True)
class Agreement:
    """What a model's vectors were last made again with.

    Attributes:
        libraries: versions by distribution.
        devices: all where they came out the same; ``another`` stands for those where they only came near.
    """

    fingerprint: str
    libraries: dict[str, str]
    devices: list[str]


@dataclass(frozen=True)
class Finding:
    """What was found of one vector column.

    Attributes:
        repeats: the contents that were embedded again.
        wanted: the least cosine that is right.
        skipped: why there are none, else empty.
        final: whether another look would find the same until something changes.
        agreement: what to remember of the model.
        advice: of what came out otherwise, what to look at and what to do.
    """

    column: str
    repeats: tuple[Repeat, ...] = ()
    wanted: float = ANOTHER_DEVICE
    skipped: str = ""
    final: bool = True
    agreement: Agreement | None = None
    advice: str = ""

    @property
    def worst(self) -> Repeat | None:
        """The content that came out least like before."""
        return min(self.repeats, key=lambda repeat: repeat.cosine, default=None)

    @property
    def wrong(self) -> int:
        """Contents that came out otherwise."""
        return sum(repeat.cosine < self.wanted for repeat in self.repeats)

    def __str__(self) -> str:
        if self.worst is None:
            return f"{self.column}: not tried: {self.skipped}"
        least = f"cosine {self.worst.cosine:.4f}"
        if not self.wrong:
            return (
                f"{self.column}: {len(self.repeats)} contents embedded again, {least} or more; {self.wanted} is wanted"
            )
        reason = f" ({self.worst.reason})" if self.worst.reason else ""
        where = "on the same device" if self.wanted == SAME_DEVICE else "where the device may be another"
        return (
            f"{self.column}: {self.wrong} of {len(self.repeats)} contents embedded again came out otherwise, the worst "
            f"{self.worst.uri} with {least}{reason}; {self.wanted} is wanted {where}. {self.advice}"
        )


def check_reproducible(
    pipeline: Pipeline, generation: Generation, lease: Lease | None = None, *, anew: bool = False
) -> CheckResult:
    """Embed a few contents again where a model is local, and compare; a vector that comes out otherwise warns.

    A result that passed stays while no vector is added and the libraries are the same.

    Args:
        pipeline: whose generation.
        generation: the newest of an index.
        lease: keeps the models for others, who ask for them next; without one each is released again.
        anew: though there is such a result.

    Raises:
        StoreError: the store cannot be read.
    """
    history = [generation, *reversed(pipeline.store.generations.of(pipeline.spec.name, generation.index))]
    same = (earlier for earlier in history if earlier.id == generation.id or _of_same_vectors(earlier, generation))
    kept = next((result for earlier in same for result in _results(earlier)), None)
    states: list[str] = kept.metadata["declared"] if kept is not None and kept.passed else []
    state = _hash_state(pipeline, generation)
    if kept is not None and state in states and not anew:
        return kept
    findings = [_find(pipeline, model, _last_agreement(history, model), lease) for model in generation.models]
    passed = not any(finding.wrong for finding in findings)
    final = passed and all(finding.final for finding in findings)
    states = [state, *(other for other in states if other != state)][:_STATES] if final else []
    return _conclude(findings, {"declared": states})


def _conclude(findings: list[Finding], kept: dict[str, Any]) -> CheckResult:
    """One result of all columns, the worst first."""
    findings = sorted(findings, key=lambda finding: finding.worst.cosine - finding.wanted if finding.worst else 1.0)
    metadata: dict[str, Any] = {"compared": sum(len(finding.repeats) for finding in findings)}
    first = findings[0]
    if first.worst is not None:
        metadata |= {
            "embedding": first.column,
            "uri": first.worst.uri,
            "cosine": round(first.worst.cosine, 6),
            "wanted": first.wanted,
        }
    agreed = {finding.column: asdict(finding.agreement) for finding in findings if finding.agreement is not None}
    return CheckResult(
        REPRODUCIBLE,
        not any(finding.wrong for finding in findings),
        False,
        {**metadata, "agreed": agreed, **kept},
        "; ".join(map(str, findings)),
    )


def _find(pipeline: Pipeline, model: IndexedModel, before: Agreement | None, lease: Lease | None) -> Finding:
    config: EmbedderConfig = pipeline.spec.embeddings[model.column].config
    if reason := _why_not(config, model):
        return Finding(model.column, skipped=reason)
    vectors = pipeline.store.vectors(model.fingerprint)
    try:
        with (
            shared_pool().lease() as own,
            (lease or own).holding(config, model.fingerprint) as pooled,
            pooled.bulk() as step,
        ):
            repeats = repeat_sample(pipeline, model.column, vectors, step)
    except StoreError:
        raise
    except Exception as error:
        # Of a runner or a model: what cannot be compared is no reason to stop a run.
        return Finding(model.column, skipped=f"it cannot be embedded here: {error}", final=False, agreement=before)
    if repeats is None:
        return Finding(model.column, skipped="there is no vector", agreement=before)
    if not repeats:
        skipped = "the contents that were looked at are gone or changed since"
        return Finding(model.column, skipped=skipped, final=False, agreement=before)
    device = _device(pipeline, model.column, config)
    wanted = SAME_DEVICE if before is not None and before.devices == [device] else ANOTHER_DEVICE
    libraries = installed_versions("embedders", model.provider)
    least = min(repeat.cosine for repeat in repeats)
    if least < wanted:
        advice = _advise(config, before, libraries)
        return Finding(model.column, tuple(repeats), wanted, agreement=before, advice=advice)
    where = device if device is not None and least >= SAME_DEVICE else "another"
    devices = sorted({where, *(before.devices if before is not None else ())})
    return Finding(model.column, tuple(repeats), wanted, agreement=Agreement(model.fingerprint, libraries, devices))


def _why_not(config: EmbedderConfig, model: IndexedModel) -> str:
    """Why a model's contents are not embedded again; empty where they are."""
    if model.inputs.vectors:
        return "the vectors are ready-made"
    if isinstance(config, RemoteConfig):
        return "the model is remote"
    if not config.runs_here():
        return "nothing says that the model runs here"
    return "the model has a price" if config.costs_money() else ""


def _device(pipeline: Pipeline, name: str, config: EmbedderConfig) -> str | None:
    # Another runner may have carried the contents to another machine.
    if isinstance(config, LocalModelConfig) and pipeline.spec.runner_of(name) == "local":
        return describe_device(config.device)
    return None


def _advise(config: EmbedderConfig, before: Agreement | None, libraries: dict[str, str]) -> str:
    """What may have changed, and what to do."""
    identity = config.identity()
    if before is None:
        changed = "with which libraries the vectors were made is not known"
    else:
        names = sorted(name for name in {*before.libraries, *libraries} if _differ(name, before.libraries, libraries))
        edits = ", ".join(f"{name} {before.libraries.get(name)} -> {libraries.get(name)}" for name in names)
        changed = (
            f"since the vectors last agreed: {edits}" if edits else "they are those with which the vectors last agreed"
        )
    if identity.get("weights_sha256") is None:
        weights = "the fingerprint has their name and not their hash, so they may be others"
        unset = [name for name in ("weights_sha256", "revision") if name in identity and identity[name] is None]
        change = f"set {' or '.join(unset)}" if unset else "change the model's settings"
    else:
        weights = "the fingerprint has their hash"
        change = "declare another precision or model"
    return (
        f"Look at the libraries ({changed}) and the weights ({weights}). Bring back what made the vectors, or "
        f"{change}, which embeds everything anew"
    )


def _differ(name: str, before: dict[str, str], now: dict[str, str]) -> bool:
    return before.get(name) != now.get(name)


def _hash_state(pipeline: Pipeline, generation: Generation) -> str:
    """A hash that changes with the models and the libraries of those that are tried."""
    models = []
    for model in generation.models:
        skipped = _why_not(pipeline.spec.embeddings[model.column].config, model)
        libraries = {} if skipped else installed_versions("embedders", model.provider)
        models.append([model.column, model.fingerprint, str(model.inputs), skipped, libraries])
    return digest(models)


def _of_same_vectors(earlier: Generation, generation: Generation) -> bool:
    before, now = MadeFrom.of(earlier), MadeFrom.of(generation)
    return before is not None and now is not None and before.vectors == now.vectors


def _results(generation: Generation) -> list[CheckResult]:
    return [check for check in generation.checks if check.name == REPRODUCIBLE]


def _last_agreement(history: Iterable[Generation], model: IndexedModel) -> Agreement | None:
    """What an index's newest generation that knows it says of a model."""
    for generation in history:
        for result in _results(generation):
            for kept in result.metadata["agreed"].values():
                if kept["fingerprint"] == model.fingerprint:
                    return Agreement(**kept)
    return None
