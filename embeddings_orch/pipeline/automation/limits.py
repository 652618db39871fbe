"""What a run that nobody asked for may cost: its estimate against the declaration's ``auto``."""

from __future__ import annotations

from embeddings_orch.pipeline.automation.reconcile import Need
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.delta import embedding_delta
from embeddings_orch.pipeline.plan.plan import Estimate, estimate, make_plan

_LOOK = 2_000
"""Items up to which new media are read to tell what a first run would cost; a tick may not take a minute."""


def over_limits(pipeline: Pipeline, need: Need) -> str:
    """Why a run would exceed ``auto``, with its plan and the command that does it by hand; empty where it would not.

    Raises:
        EmbeddingsOrchError: the media, the store or a model's identity cannot be read.
    """
    spec = pipeline.spec
    names = [name for name in spec.embeddings if pipeline.embedding_key(name) in need.assets]
    command = f"`embeddings-orch run --pipeline {spec.name}` does it by hand"
    if pipeline.media_key in need.assets:
        listing = pipeline.source.list_items()
        priced = any(spec.embeddings[name].config.prices.known for name in names)
        if listing is not None and not priced and len(listing.items) * len(names) <= spec.auto.max_items:
            return ""
        new = pipeline.store.catalog(spec.name).version() is None
        if new and (listing is None or len(listing.items) > _LOOK):
            count = "" if listing is None else f"{len(listing.items):,} media items, and "
            return f"{count}what embedding them costs is only told by a scan of all; {command}"
        planned = {asset.asset: asset.estimate for asset in make_plan(pipeline).assets}
        estimates = {name: planned[pipeline.embedding_key(name)] for name in names}
    else:
        estimates = {}
        for name in names:
            catalog = pipeline.contents_catalog(spec.embeddings[name].inputs)
            estimates[name] = estimate(pipeline, name, embedding_delta(pipeline, name, catalog))
    items = sum(figures.contents for figures in estimates.values())
    cost = sum(figures.cost_usd for figures in estimates.values())
    auto, broken = spec.auto, []
    if items > auto.max_items:
        broken.append(f"{items:,} contents are more than auto.max_items, {auto.max_items:,}")
    broken += [
        f"{name} would cost ${figures.cost_usd:,.2f}, more than its max_cost_usd, ${most:,.2f}"
        for name, figures in estimates.items()
        if (most := spec.embeddings[name].config.max_cost_usd) is not None and figures.cost_usd > most
    ]
    if cost > auto.max_cost_usd:
        broken.append(f"${cost:,.2f} are more than auto.max_cost_usd, ${auto.max_cost_usd:,.2f}")
    if not broken:
        return ""
    return f"{' and '.join(broken)}. Plan: {_plan(pipeline, estimates)}; {command}"


def _plan(pipeline: Pipeline, estimates: dict[str, Estimate]) -> str:
    return "; ".join(
        f"{pipeline.embedding_key(name)}: {figures.contents:,} contents, {figures.tokens:,} tokens, "
        f"${figures.cost_usd:,.4f}" + (f", about {figures.seconds:,.0f} s" if figures.seconds else "")
        for name, figures in estimates.items()
    )
