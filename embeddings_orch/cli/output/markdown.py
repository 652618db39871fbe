"""Plans as GitHub-flavoured Markdown: for a pull request's comment or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embeddings_orch.media.base import Problem
from embeddings_orch.media.passed_over import describe_rows
from embeddings_orch.pipeline.plan.against import Difference
from embeddings_orch.pipeline.plan.plan import AssetPlan, Estimate, Plan

if TYPE_CHECKING:
    from embeddings_orch.cli.commands.against import Comparison

PLAN_MARKER = "<!-- embeddings-orch:plan -->"
AGAINST_MARKER = "<!-- embeddings-orch:against -->"
"""What a comment begins with, unseen, so that a workflow finds its own again."""

_COUNTS = ("new", "changed", "unchanged", "deleted", "failed")
_COLUMNS = ("asset", "of", *_COUNTS, "tokens", "cost", "time", "reason")
_LISTED = 10
_SPECIAL = re.compile(r"([\\`*_\[\]|~])")


@dataclass(frozen=True)
class Planned:
    """A pipeline's plan, or why there is none; ``priced`` says whether a model of it has a price."""

    pipeline: str
    plan: Plan | None
    error: str = ""
    priced: bool = False

    def to_json(self) -> dict[str, Any]:
        """The object that ``plan --json`` prints, or the error."""
        return self.plan.to_json() if self.plan else {"pipeline": self.pipeline, "error": self.error}


def plan_markdown(plans: Sequence[Planned]) -> str:
    """A section with a table for each pipeline, and the totals of all."""
    blocks = [PLAN_MARKER]
    for planned in plans:
        blocks.append(f"### Plan of {_code(planned.pipeline)}")
        blocks += _plan(planned.plan) if planned.plan else [_render_error(planned.error)]
    if len(plans) > 1:
        estimates = [asset.estimate for entry in plans if entry.plan for asset in entry.plan.assets]
        changing = sum(1 for entry in plans if entry.plan and entry.plan.changes)
        broken = sum(1 for entry in plans if entry.error)
        errors = f", {broken} cannot be planned" if broken else ""
        blocks.append(f"**All {len(plans)} pipelines:** {changing} with changes{errors}; {_sentence(estimates)}.")
    return "\n\n".join(blocks)


def _plan(plan: Plan) -> Iterator[str]:
    estimates = [asset.estimate for asset in plan.assets]
    if plan.changes:
        yield f"{_sentence(estimates)}."
    else:
        media = plan.assets[0]
        yield "Nothing to do." if media.unchanged else "There are no media yet."
    rows = [_row(asset) for asset in plan.assets]
    if plan.changes:
        total = _Total.of(estimates)
        rows.append(["**total**", "", "", "", "", "", "", f"{total.tokens:,}", total.cost, total.time, ""])
    yield _table(_COLUMNS, rows, right=_COLUMNS[2:-1])
    if plan.passed_over:
        yield f"{_text(describe_rows([kind.to_row() for kind in plan.passed_over]))}."
    for kept, title in ((False, "media rows or files are left out"), (True, "columns kept otherwise")):
        if problems := [problem for problem in plan.problems if problem.kept is kept]:
            yield _details(f"{len(problems):,} {title}", problems)


def _details(title: str, problems: Sequence[Problem]) -> str:
    lines = [f"- {_text(problem.where)}: {_text(problem.reason)}" for problem in problems[:_LISTED]]
    if len(problems) > _LISTED:
        lines.append(f"- and {len(problems) - _LISTED:,} more")
    return "\n".join(["<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>"])


def _row(asset: AssetPlan) -> list[str]:
    cost = _Total.of([asset.estimate])
    numbers = [f"{getattr(asset, name):,}" for name in _COUNTS]
    takes = [f"{cost.tokens:,}", cost.cost, cost.time] if asset.estimate.contents else ["", "", ""]
    return [_code(asset.asset), asset.unit, *numbers, *takes, _text(asset.reason)]


@dataclass(frozen=True)
class _Total:
    contents: int
    tokens: int
    cost_usd: float
    seconds: float | None

    @classmethod
    def of(cls, estimates: Iterable[Estimate]) -> _Total:
        counted = [estimate for estimate in estimates if estimate.contents]
        known = [estimate.seconds for estimate in counted if estimate.seconds is not None]
        return cls(
            sum(estimate.contents for estimate in counted),
            sum(estimate.tokens for estimate in counted),
            sum(estimate.cost_usd for estimate in counted),
            sum(known) if len(known) == len(counted) else None,
        )

    @property
    def cost(self) -> str:
        return f"${self.cost_usd:,.4f}" if self.cost_usd else "$0"

    @property
    def time(self) -> str:
        return "unknown" if self.seconds is None else f"{self.seconds:,.0f} s"


def _sentence(estimates: Iterable[Estimate]) -> str:
    total = _Total.of(estimates)
    what = f"**{total.contents:,} content{'' if total.contents == 1 else 's'}** to embed"
    if not total.contents:
        return what
    time = "time unknown until the first run" if total.seconds is None else f"about {total.time}"
    tokens = f", {total.tokens:,} tokens, {total.cost}" if total.tokens else ""
    return f"{what}{tokens}, {time}"


def against_markdown(comparison: Comparison) -> str:
    """A section with a table for each pipeline, of its embeddings and indexes."""
    blocks = [AGAINST_MARKER, f"### Models and indexes against {_code(comparison.against)} ({comparison.commit[:10]})"]
    if not comparison.pipelines:
        blocks.append("There is no pipeline, here or there.")
    elif not comparison.changes and not comparison.errors:
        blocks.append("No vector and no index table changes.")
    for difference in comparison.pipelines:
        if difference.error:
            blocks += [f"#### {_code(difference.pipeline)}", _render_error(difference.error)]
        elif difference.changes:
            blocks += [f"#### {_code(difference.pipeline)}", _differences(difference)]
    same = [
        _code(difference.pipeline)
        for difference in comparison.pipelines
        if not difference.changes and not difference.error
    ]
    if same and len(same) < len(comparison.pipelines):
        blocks.append(f"Unchanged: {', '.join(same)}.")
    return "\n\n".join(blocks)


def _differences(difference: Difference) -> str:
    rows = [
        [
            _code(asset.asset),
            f"**{asset.change}**" if asset.change != "unchanged" else asset.change,
            " → ".join(_code(part) for part in versions(asset.fingerprint_before, asset.fingerprint)),
            _text(asset.reason),
        ]
        for asset in difference.assets
    ]
    return _table(("asset", "change", "fingerprint", "reason"), rows)


def versions(before: str, now: str) -> list[str]:
    """The fingerprints to show, shortened: the earlier and the present one where both are there and differ."""
    return [part[:12] for part in dict.fromkeys((before, now)) if part]


def _render_error(error: str) -> str:
    return "\n".join(f"> **error:** {_text(line)}" for line in error.splitlines() if line.strip())


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    lines = [columns, ["---:" if column in right else "---" for column in columns], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    """Text in a code span; GitHub reads ``|`` in a table as the end of the cell even there."""
    plain = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"


def _text(text: str) -> str:
    """Text as it is: one line, no markup, and nobody notified by a name after ``@``."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", _SPECIAL.sub(r"\\\1", plain))
