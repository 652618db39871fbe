"""Launches a pipeline's job on a running Dagster, and follows its run to the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from embeddings_orch.dagster.runs.local import config_of_ops
from embeddings_orch.dagster.runs.remote_answers import (
    CodeLocation,
    GraphAnswer,
    GraphQLError,
    JobsAnswer,
    LaunchAnswer,
    StepsAnswer,
)
from embeddings_orch.dagster.runs.remote_event_answers import EventsAnswer
from embeddings_orch.dagster.runs.remote_events import Follower, one_line
from embeddings_orch.dagster.runs.remote_queries import EVENTS, GRAPH, JOBS, LAUNCH, STEPS
from embeddings_orch.dagster.runs.webserver import WAITING, Webserver
from embeddings_orch.errors import EmbeddingsOrchError, TransientError
from embeddings_orch.pipeline.plan.selection import select_assets
from embeddings_orch.pipeline.run.outcome import RunOutcome
from embeddings_orch.pipeline.run.settings import AS_USUAL, RunSettings
from embeddings_orch.plugins import suggestion
from embeddings_orch.spec.keys import KINDS, AssetKey

_PAUSES = (0.5, 5.0)
"""Seconds between two looks at a run: the first, and the longest."""


@dataclass(frozen=True)
class RemoteJob:
    """A pipeline's job in a code location."""

    server: Webserver
    pipeline: str
    location: str
    repository: str

    @classmethod
    def find(cls, server: Webserver, pipeline: str, location: str | None = None) -> RemoteJob:
        """The job of a pipeline.

        Raises:
            EmbeddingsOrchError: there is none, or several code locations have it.
        """
        workspace = server.ask(JOBS, JobsAnswer).workspace_or_error
        if isinstance(workspace, GraphQLError):
            raise EmbeddingsOrchError(f"{server.url} has no workspace: {one_line(workspace.message)}")
        names = [entry.name for entry in workspace.location_entries]
        if location is not None and location not in names:
            raise EmbeddingsOrchError(f"{server.url} has no code location {location!r}{suggestion(location, names)}")
        job_name = f"{pipeline}_pipeline"
        matching: list[RemoteJob] = []
        jobs: list[str] = []
        broken: list[str] = []
        for entry in workspace.location_entries:
            if location not in (None, entry.name):
                continue
            loaded = entry.location_or_load_error
            if not isinstance(loaded, CodeLocation):
                why = one_line(loaded.innermost.message) if loaded else "it is still being loaded; try again"
                broken.append(f"the code location {entry.name!r} is not loaded: {why}")
                continue
            for repository in loaded.repositories:
                names_of_jobs = [job.name for job in repository.jobs]
                jobs += [name for name in names_of_jobs if not name.startswith("__")]
                if job_name in names_of_jobs:
                    matching.append(cls(server, pipeline, entry.name, repository.name))
        if len(matching) == 1:
            return matching[0]
        if matching:
            where = ", ".join(job.location for job in matching)
            raise EmbeddingsOrchError(
                f"several code locations have the job {job_name!r}; choose with --location: {where}"
            )
        if broken:
            raise EmbeddingsOrchError(f"{server.url} has no job {job_name!r}; {'; '.join(broken)}")
        raise EmbeddingsOrchError(f"{server.url} has no job {job_name!r}{suggestion(job_name, jobs)}")

    def launch(self, selections: Sequence[str] = (), *, settings: RunSettings = AS_USUAL) -> RunOutcome:
        """Begin a run of all assets, or of those that are selected.

        Raises:
            SpecError: a selection names no asset of the job.
            EmbeddingsOrchError: Dagster refuses it.
        """
        selector = {"repositoryLocationName": self.location, "repositoryName": self.repository}
        job = {**selector, "pipelineName": f"{self.pipeline}_pipeline"}
        nodes = self.server.ask(GRAPH, GraphAnswer, {"job": job}).asset_nodes
        upstream = {
            AssetKey(node.asset_key.name): [AssetKey(above.name) for above in node.dependency_keys] for node in nodes
        }
        graph = {asset: upstream[asset] for asset in _sort_keys(upstream)}
        chosen = select_assets(graph, self.pipeline, selections) if selections else list(graph)
        tags = [{"key": "embeddings_orch/started_by", "value": "command line"}]
        paths = [{"path": asset.path} for asset in chosen]
        params = {
            "selector": {
                **selector,
                "jobName": f"{self.pipeline}_pipeline",
                **({"assetSelection": paths} if selections else {}),
            },
            "runConfigData": {"ops": ops} if (ops := config_of_ops(chosen, settings)) else {},
            "mode": "default",
            "executionMetadata": {"tags": tags},
        }
        try:
            # Not tried again: a launch whose answer is lost may have begun a run.
            once = WAITING.model_copy(update={"max_retries": 0})
            result = self.server.ask(LAUNCH, LaunchAnswer, {"params": params}, policy=once).launch_run
        except TransientError as error:
            raise EmbeddingsOrchError(f"{error}. {self._unknown}") from error
        except KeyboardInterrupt as error:
            raise EmbeddingsOrchError(f"interrupted. {self._unknown}") from error
        if result.run is None:
            details = [result.message, *(error.message for error in result.errors)]
            reasons = "; ".join(one_line(text) for text in details if text) or result.typename
            raise EmbeddingsOrchError(f"{self.server.url} does not launch {self.pipeline}_pipeline: {reasons}")
        run_id = result.run.run_id
        return RunOutcome(self.pipeline, None, run_id, url=self.server.run_page(run_id))

    @property
    def _unknown(self) -> str:
        return f"Whether a run was begun is not known: look at {self.server.url}/runs"

    def wait(
        self,
        outcome: RunOutcome,
        *,
        timeout: float | None = None,
        say: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Follow a run to its end, or until it is no longer worth waiting; the run itself is never ended.

        Args:
            outcome: as `launch` gave it; completed in place. ``success`` stays None where the end was not seen.
            timeout: seconds to wait at the most.
            say: told of the run's progress, line by line.
            clock: seconds, to measure the timeout.
            sleep: waits between two looks.
        """
        follower = Follower(outcome, say)
        until = None if timeout is None else clock() + timeout
        pause = _PAUSES[0]
        goes_on = f"the run goes on: {outcome.url}"
        try:
            say(f"run {outcome.run_id}: {outcome.url}")
            while True:
                variables = {"id": outcome.run_id, "cursor": follower.cursor}
                answer = self.server.ask(EVENTS, EventsAnswer, variables, policy=WAITING)
                if not follower.read(answer):
                    if until is not None and clock() >= until:
                        outcome.errors.append(f"it did not end within {timeout:g} s; {goes_on}")
                        return
                    sleep(pause if until is None else max(min(pause, until - clock()), 0.0))
                    pause = min(pause * 1.3, _PAUSES[1])
                elif not follower.more:
                    break
            ended = self.server.ask(STEPS, StepsAnswer, {"id": outcome.run_id}, policy=WAITING)
            follower.finish(ended.run_or_error)
            outcome.sort(_sort_keys({step.asset for step in outcome.steps}))
        except KeyboardInterrupt:
            outcome.interrupted = True
            outcome.errors.append(f"interrupted here; {goes_on}" if outcome.success is None else "interrupted here")
        except EmbeddingsOrchError as error:
            outcome.errors.append(f"{error}; {goes_on}" if outcome.success is None else str(error))


def _sort_keys(keys: Iterable[AssetKey]) -> list[AssetKey]:
    """In the order of the graph: the catalog, the embeddings, then each index with its pointer."""

    def place(asset: AssetKey) -> tuple[int, str, int]:
        key = AssetKey.parse(asset)
        rank = len(KINDS) if key is None else KINDS.index(key.kind)
        return (min(rank, 2), asset if key is None else key.name, rank)

    return sorted(keys, key=place)
