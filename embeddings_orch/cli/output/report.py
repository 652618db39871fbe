"""Reports of runs in files: JUnit XML for a CI system, JSON for scripts."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.rows.jsonable import to_jsonable
from embeddings_orch.pipeline.run.outcome import RunOutcome, Step
from embeddings_orch.policy.secrets import redact

SUFFIXES = (".xml", ".json")

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PROPERTIES = (
    *("unit", "new", "changed", "unchanged", "deleted", "failed"),
    *("items", "items_failed", "items_without_vector", "items_with_nothing_to_embed"),
    *("embedded", "reused", "requests", "retries", "tokens"),
    *("cost_usd", "items_per_second", "fingerprint", "generation", "reason"),
)


def prepare(path: Path) -> None:
    """Make a report's folder, and see that the report can be written there.

    Raises:
        EmbeddingsOrchError: it cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-"):
            pass
    except OSError as error:
        raise EmbeddingsOrchError(f"the report {path} cannot be written: {error.strerror}") from error


def write(path: Path, outcomes: Sequence[RunOutcome], *, together: bool) -> None:
    """Write a report: JUnit XML or JSON, by the file's suffix.

    Args:
        path: the file; an earlier one is replaced.
        outcomes: the runs.
        together: whether the JSON is ``{"pipelines": [...]}``, else it is the object of the only run.

    Raises:
        EmbeddingsOrchError: it cannot be written.
    """
    if path.suffix.lower() == ".xml":
        text = _xml(outcomes)
    else:
        objects = [outcome.to_report() for outcome in outcomes]
        value = {"pipelines": objects} if together else objects[0]
        text = json.dumps(to_jsonable(value), allow_nan=False, indent=2) + "\n"
    text = redact(text)
    try:
        # Replaced whole: whoever collects reports meanwhile reads the former one or this one.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise EmbeddingsOrchError(f"the report {path} cannot be written: {error.strerror}") from error


def _xml(outcomes: Sequence[RunOutcome]) -> str:
    root = ET.Element("testsuites", name="embeddings-orch")
    for outcome in outcomes:
        root.extend(_suites(outcome))
    counts = ("tests", "failures", "errors")
    for name in counts:
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", _seconds(sum(outcome.seconds for outcome in outcomes)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suites(outcome: RunOutcome) -> Iterator[ET.Element]:
    assets = list(dict.fromkeys(step.asset for step in outcome.steps))
    for asset in assets:
        suite = ET.Element("testsuite", name=_clean(asset))
        _properties(suite, outcome, asset)
        for step in outcome.steps:
            if step.asset == asset:
                _step(suite, step)
        for check in outcome.checks:
            if check["asset"] == asset:
                case = _case(suite, asset, f"check: {check['check']}")
                if not check["passed"]:
                    _fault(case, "failure", check["severity"], check["description"])
        for failure in outcome.item_failures():
            if failure.asset == asset:
                _fault(_case(suite, asset, f"item: {failure.item}"), "failure", "item", failure.reason)
        yield _count_suite(suite, sum(step.seconds for step in outcome.steps if step.asset == asset))
    # What ended the run outside of any step, as a refused launch does.
    elsewhere = [error for error in outcome.errors if all(error != step.error for step in outcome.steps)]
    if elsewhere or not assets:
        suite = ET.Element("testsuite", name=_clean(outcome.pipeline))
        _properties(suite, outcome, "")
        case = _case(suite, outcome.pipeline, "run")
        if elsewhere or not outcome.success:
            _fault(case, "error", "run", "\n".join(elsewhere) or "the run did not succeed")
        yield _count_suite(suite, 0.0)


def _properties(suite: ET.Element, outcome: RunOutcome, asset: str) -> None:
    properties = ET.SubElement(suite, "properties")
    metadata = next((row for row in outcome.assets if row["asset"] == asset), {})
    values = {"pipeline": outcome.pipeline, "run_id": outcome.run_id, "url": outcome.url}
    values.update({name: metadata[name] for name in _PROPERTIES if name in metadata})
    for name, value in values.items():
        if value != "":
            ET.SubElement(properties, "property", name=name, value=_clean(str(value)))


def _step(suite: ET.Element, step: Step) -> None:
    if step.kind == "checks" and step.status == "success":
        return  # its checks stand for it
    case = _case(suite, step.asset, "materialize" if step.kind == "materialize" else "checks", step.seconds)
    if step.status == "failure":
        _fault(case, "failure", "step", step.error)
    elif step.status == "skipped":
        ET.SubElement(case, "skipped", message="not run: an earlier step failed, or the run was ended")


def _case(suite: ET.Element, asset: str, name: str, seconds: float = 0.0) -> ET.Element:
    classname = _clean(asset).replace("/", ".")
    return ET.SubElement(suite, "testcase", name=_clean(name), classname=classname, time=_seconds(seconds))


def _fault(case: ET.Element, tag: str, kind: str, text: str) -> None:
    text = _clean(text) or "no reason is given"
    ET.SubElement(case, tag, message=text.splitlines()[0], type=kind).text = text


def _count_suite(suite: ET.Element, seconds: float) -> ET.Element:
    for name, tag in (
        ("tests", "testcase"),
        ("failures", "*/failure"),
        ("errors", "*/error"),
        ("skipped", "*/skipped"),
    ):
        suite.set(name, str(len(suite.findall(tag))))
    suite.set("time", _seconds(seconds))
    return suite


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _NOT_XML.sub("", text)
