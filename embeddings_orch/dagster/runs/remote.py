"""Launches a pipeline's job on a running Dagster, and follows its run to the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from embeddings_orch.dagster.runs.local import retry_config
from embeddings_orch.dagster.runs.remote_events import Follower, innermost, key, one_line, steps
from embeddings_orch.dagster.runs.remote_queries import EVENTS, GRAPH, JOBS, LAUNCH, STEPS
from embeddings_orch.dagster.runs.webserver import WAITING, Webserver
from embeddings_orch.errors import EmbeddingsOrchError, TransientError
from embeddings_orch.pipeline.outcome import RunOutcome
from embeddings_orch.pipeline.plan.selection import select_assets
from embeddings_orch.plugins import suggestion

_KINDS = ("raw_media", "embeddings", "index", "published")
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
        answer = server.ask(JOBS)["workspaceOrError"]
        if answer["__typename"] != "Workspace":
            raise EmbeddingsOrchError(f"{server.url} has no workspace: {one_line(answer['message'])}")
        entries = answer["locationEntries"]
        names = [entry["name"] for entry in entries]
        if location is not None and location not in names:
            raise EmbeddingsOrchError(f"{server.url} has no code location {location!r}{suggestion(location, names)}")
        wanted = f"{pipeline}_pipeline"
        found, jobs, broken = [], [], []
        for entry in entries:
            if location in (None, entry["name"]):
                loaded = entry["locationOrLoadError"] or {"message": "it is still being loaded; try again"}
                if "message" in loaded:
                    broken.append(f"the code location {entry['name']!r} is not loaded: {innermost(loaded)}")
                for repository in loaded.get("repositories", []):
                    jobs += [job["name"] for job in repository["jobs"] if not job["name"].startswith("__")]
                    if any(job["name"] == wanted for job in repository["jobs"]):
                        found.append(cls(server, pipeline, entry["name"], repository["name"]))
        if len(found) == 1:
            return found[0]
        if found:
            where = ", ".join(one.location for one in found)
            raise EmbeddingsOrchError(
                f"several code locations have the job {wanted!r}; choose with --location: {where}"
            )
        if broken:
            raise EmbeddingsOrchError(f"{server.url} has no job {wanted!r}; {'; '.join(broken)}")
        raise EmbeddingsOrchError(f"{server.url} has no job {wanted!r}{suggestion(wanted, jobs)}")

    def launch(self, selections: Sequence[str] = (), *, retry_failed: bool = False) -> RunOutcome:
        """Begin a run of all assets, or of those that are selected.

        Raises:
            SpecError: a selection names no asset of the job.
            EmbeddingsOrchError: Dagster refuses it.
        """
        selector = {"repositoryLocationName": self.location, "repositoryName": self.repository}
        job = {**selector, "pipelineName": f"{self.pipeline}_pipeline"}
        nodes = self.server.ask(GRAPH, {"job": job})["assetNodes"]
        graph = {key(node["assetKey"]): [key(above) for above in node["dependencyKeys"]] for node in nodes}
        graph = {asset: graph[asset] for asset in _sort_keys(graph)}
        chosen = select_assets(graph, self.pipeline, selections) if selections else list(graph)
        tags = [{"key": "embeddings_orch/started_by", "value": "command line"}]
        paths = [{"path": asset.split("/")} for asset in chosen]
        params = {
            "selector": {**selector, "jobName": f"{self.pipeline}_pipeline"},
            "runConfigData": {"ops": retry_config(chosen)} if retry_failed else {},
            "mode": "default",
            "executionMetadata": {"tags": tags},
        }
        if selections:
            params["selector"] = {**selector, "jobName": f"{self.pipeline}_pipeline", "assetSelection": paths}
        try:
            # Not tried again: a launch whose answer is lost may have begun a run.
            answer = self.server.ask(LAUNCH, {"params": params}, policy=WAITING.model_copy(update={"max_retries": 0}))
        except TransientError as error:
            raise EmbeddingsOrchError(f"{error}. {self._unknown}") from error
        except KeyboardInterrupt as error:
            raise EmbeddingsOrchError(f"interrupted. {self._unknown}") from error
        result = answer["launchRun"]
        if result["__typename"] != "LaunchRunSuccess":
            details = [result.get("message"), *(one["message"] for one in result.get("errors", []))]
            said = "; ".join(one_line(text) for text in details if text) or result["__typename"]
            raise EmbeddingsOrchError(f"{self.server.url} does not launch {self.pipeline}_pipeline: {said}")
        run_id = result["run"]["runId"]
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
                answer = self.server.ask(EVENTS, variables, policy=WAITING)
                if not follower.read(answer):
                    if until is not None and clock() >= until:
                        outcome.errors.append(f"it did not end within {timeout:g} s; {goes_on}")
                        return
                    sleep(pause if until is None else max(min(pause, until - clock()), 0.0))
                    pause = min(pause * 1.3, _PAUSES[1])
                elif not follower.more:
                    break
            outcome.steps.extend(steps(self.server.ask(STEPS, {"id": outcome.run_id}, policy=WAITING), follower))
            outcome.sort(_sort_keys({step.asset for step in outcome.steps}))
        except KeyboardInterrupt:
            outcome.interrupted = True
            outcome.errors.append(f"interrupted here; {goes_on}" if outcome.success is None else "interrupted here")
        except EmbeddingsOrchError as error:
            outcome.errors.append(f"{error}; {goes_on}" if outcome.success is None else str(error))


def _sort_keys(keys: Iterable[str]) -> list[str]:
    """In the order of the graph: the catalog, the embeddings, then each index with its pointer."""

    def place(asset: str) -> tuple[int, str, int]:
        kind, _, name = asset.partition("/")[2].partition("/")
        rank = _KINDS.index(kind) if kind in _KINDS else len(_KINDS)
        return (min(rank, 2), name, rank)

    return sorted(keys, key=place)
