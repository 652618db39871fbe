"""The sensors and the schedule of a pipeline: they read the declaration anew and ask for the runs that are missing."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from embeddings_orch.dagster.automation.observe import EPOCH_TAG, InstanceView, latest_run, observe
from embeddings_orch.dagster.automation.record import add_unrecorded, tags_of
from embeddings_orch.dagster.automation.reload import reload_location, webserver_url
from embeddings_orch.dagster.common import asset_key
from embeddings_orch.errors import EmbeddingsOrchError, SpecError
from embeddings_orch.models.identity import digest
from embeddings_orch.pipeline.automation.limits import over_limits
from embeddings_orch.pipeline.automation.missing import definition_digest, find_missing
from embeddings_orch.pipeline.automation.reconcile import Cursor, Decision, Need, Situation, enter_epoch, reconcile
from embeddings_orch.pipeline.catalog.changes import changes, list_media
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.plan.selection import graph
from embeddings_orch.policy.secrets import redact
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.spec.yaml_file import is_pipeline, load_document, read_documents

Clock = Callable[[], float]


@dataclass(frozen=True)
class Declaration:
    """What the definitions were made of, and the YAML to read it from anew.

    Attributes:
        loaded: `definition_digest` at the time that the definitions were made.
        file: None where the pipeline is declared in Python: then only weights can change under it.
    """

    spec: PipelineSpec
    loaded: str
    file: Path | None = None

    def read(self) -> tuple[PipelineSpec, str]:
        """The declaration as it stands now, and a digest that any edit changes.

        Raises:
            SpecError: it cannot be read, is not valid, or is gone.
        """
        if self.file is None:
            return self.spec, ""
        # Before it is parsed: what is written in between then counts as another edit at the next tick.
        try:
            text = self.file.read_bytes()
        except OSError:
            text = b""
        for document in read_documents(self.file):
            if is_pipeline(document) and document.name == self.spec.name:
                return load_document(document), hashlib.sha256(text).hexdigest()
        raise SpecError(f"{self.file}: the pipeline {self.spec.name!r} is no longer declared here")


def model_config_sensor(
    declaration: Declaration, job: UnresolvedAssetJobDefinition, clock: Clock = time.time
) -> dg.SensorDefinition:
    """Materializes what a changed model config, or a lost store or instance, lacks."""
    name = f"{declaration.spec.name}_model_config_sensor"

    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=declaration.spec.auto.interval,
        default_status=_status(declaration.spec.auto.models),
        description=(
            "Reads the pipeline's YAML anew and compares the fingerprint of each embedding model, and each index's "
            "models, metric and columns, with what the store holds and what this instance has recorded. Starts one "
            "run for what differs, and for nothing else."
        ),
    )
    def model_config(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _tick(context, declaration, _look_for_models, name=name, job=job.name, clock=clock, switch="auto.models")

    return model_config


def media_sensor(
    declaration: Declaration, job: UnresolvedAssetJobDefinition, clock: Clock = time.time
) -> dg.SensorDefinition:
    """Materializes everything once new, changed or deleted media have settled."""
    name = f"{declaration.spec.name}_media_sensor"

    @dg.sensor(
        name=name,
        job=job,
        minimum_interval_seconds=declaration.spec.auto.interval,
        default_status=_status(declaration.spec.auto.media),
        description=(
            "Lists the media by name, size and times, without reading them, and compares that with the listing that "
            "the last scan was recorded with. Starts one run when they differ and have not changed for a while "
            f"({declaration.spec.auto.settle:g} s)."
        ),
    )
    def media(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _tick(context, declaration, _look_for_media, name=name, job=job.name, clock=clock, switch="auto.media")

    return media


def schedule(spec: PipelineSpec, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition | None:
    """The schedule of whole runs, None where the declaration asks for none.

    Raises:
        SpecError: Dagster does not take the cron string.
    """
    if spec.auto.cron is None:
        return None
    try:
        return dg.ScheduleDefinition(
            name=f"{spec.name}_schedule",
            job=job,
            cron_schedule=spec.auto.cron,
            execution_timezone=spec.auto.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Materializes everything of {spec.name} at {spec.auto.cron} ({spec.auto.timezone}).",
        )
    except dg.DagsterInvalidDefinitionError as error:
        raise SpecError(f"pipeline {spec.name!r}: auto.cron {spec.auto.cron!r} is no schedule: {error}") from error


def _status(running: bool) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED


@dataclass(frozen=True)
class _Seen:
    digest: str
    need: Need | None
    satisfied: str
    settle: float = 0.0


def _look_for_models(pipeline: Pipeline, edited: str, observed: InstanceView) -> _Seen:
    missing = find_missing(pipeline)
    add_unrecorded(missing, observed.versions)
    need = missing.need(tags_of(missing))
    return _Seen(edited, need, "" if need else missing.tell_satisfied())


def _look_for_media(pipeline: Pipeline, _edited: str, observed: InstanceView) -> _Seen:
    listed = list_media(pipeline)
    if listed is None:
        return _Seen("", None, f"the source {pipeline.spec.media.source!r} has no cheap listing; use auto.cron")
    if listed.digest == observed.listing:
        return _Seen(listed.digest, None, f"{len(listed.listing.items):,} media items, as at the last scan")
    need = Need(tuple(graph(pipeline.spec)), changes(pipeline, listed))
    return _Seen(listed.digest, need, "", pipeline.spec.auto.settle)


def _tick(
    context: dg.SensorEvaluationContext,
    declaration: Declaration,
    look: Callable[[Pipeline, str, InstanceView], _Seen],
    *,
    name: str,
    job: str,
    clock: Clock,
    switch: str,
) -> dg.SensorResult:
    cursor = Cursor.from_json(context.cursor)
    try:
        spec, text = declaration.read()
        if not getattr(spec.auto, switch.partition(".")[2]):
            return _skip(cursor, f"switched off in the YAML ({switch}: false)")
        definition = definition_digest(spec)
        cursor = _reload_location(context, declaration, cursor, definition)
        pipeline = Pipeline(spec)
        observed = observe(context.instance, list(graph(pipeline.spec)), job)
        seen = look(pipeline, digest([definition, text]), observed)
        now = clock()
        cursor = enter_epoch(cursor, seen.digest, now)
        need = seen.need
        tried = latest_run(context.instance, observed, need.assets, cursor) if need else None
        situation = Situation(
            name=name,
            digest=seen.digest,
            need=need,
            satisfied=seen.satisfied,
            loaded=frozenset(graph(declaration.spec)),
            in_flight=observed.in_flight,
            tried=tried,
            now=now,
            interval=spec.auto.interval,
            settle=seen.settle,
            refused=lambda need: over_limits(pipeline, need),
        )
        return _result(name, reconcile(cursor, situation))
    except EmbeddingsOrchError as error:
        return _skip(cursor, str(error))


def _result(name: str, decision: Decision) -> dg.SensorResult:
    if decision.need is None:
        return _skip(decision.cursor, decision.skip)
    request = dg.RunRequest(
        run_key=decision.run_key,
        asset_selection=[asset_key(key) for key in decision.need.assets],
        tags={
            "embeddings_orch/started_by": name,
            "embeddings_orch/reason": decision.need.reason[:200],
            EPOCH_TAG: decision.cursor.epoch,
            "embeddings_orch/attempt": str(decision.cursor.attempt),
            **decision.need.tags,
        },
    )
    return dg.SensorResult(run_requests=[request], cursor=decision.cursor.to_json())


def _skip(cursor: Cursor, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=redact(reason), cursor=cursor.to_json())


def _reload_location(
    context: dg.SensorEvaluationContext, declaration: Declaration, cursor: Cursor, definition: str
) -> Cursor:
    """Have the code location loaded anew, once for each edit, where its definitions show what is no longer so."""
    url, origin = webserver_url(), context.code_location_origin
    # Only a declaration that could be loaded gets here: reloading another would end this sensor.
    if url is None or origin is None or definition in (declaration.loaded, cursor.reloaded):
        return cursor
    problem = reload_location(url, origin.location_name)
    if problem:
        context.log.warning(problem)
    else:
        context.log.info(f"{origin.location_name} is reloaded: the YAML changed")
    return replace(cursor, reloaded=definition)
