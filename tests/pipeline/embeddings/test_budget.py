"""A pipeline with prices: what a run may cost, what it did cost, and that nothing is bought twice."""

import pytest

from embeddings_orch.errors import BudgetError, SpecError
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.plan.plan import make_plan

CENT = {"per_image": 0.01}


@pytest.fixture
def shop(make_gallery):
    """Thirty pictures at a cent each, in batches of two."""
    gallery = make_gallery(pictures=30)
    gallery.model(batch_size=2, prices=CENT)
    return gallery


def test_a_run_reports_what_it_cost(shop):
    report = shop.run().embeddings["toy"]
    assert report.cost_usd == pytest.approx(0.30)
    assert report.usage.images == 30


def test_a_run_within_its_budget_is_not_disturbed(shop):
    shop.model(max_cost_usd=0.30)
    assert shop.run().embeddings["toy"].embedded == 30


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_run_stops_before_the_budget_is_passed_and_the_next_one_goes_on(shop, concurrency):
    shop.model(max_cost_usd=0.11, concurrency=concurrency)
    pipeline = shop.pipeline()
    scan_media(pipeline)
    for _ in range(2):
        with pytest.raises(BudgetError, match=r"of max_cost_usd \$0\.110000 are spent; what was bought is kept"):
            embed(pipeline, "toy")
        # Five requests of two pictures: a sixth would pass eleven cents.
        assert shop.items() == 10
        shop.forget_calls()
    last = embed(pipeline, "toy")
    assert (last.embedded, last.total, shop.items()) == (10, 30, 10)
    shop.run()
    assert shop.items() == 10
    assert len(shop.rows()) == 30


def test_the_plan_says_that_an_estimate_is_over_the_budget(shop):
    shop.model(max_cost_usd=0.11)
    plan = make_plan(shop.pipeline())
    (asset,) = [asset for asset in plan.assets if asset.asset.endswith("embeddings/toy")]
    assert asset.estimate.cost_usd == pytest.approx(0.30)
    assert any("max_cost_usd" in problem for problem in [*plan.warnings, *plan.problems])


def test_a_budget_without_prices_is_refused(shop):
    shop.model(prices={}, max_cost_usd=1.0)
    with pytest.raises(SpecError, match="max_cost_usd needs prices"):
        shop.pipeline()


@pytest.mark.slow
def test_a_price_or_a_budget_that_changes_embeds_nothing_again(shop):
    shop.run()
    shop.forget_calls()
    shop.model(prices={"per_image": 5.0}, max_cost_usd=1.0)
    assert shop.run().embeddings["toy"].embedded == 0
    assert shop.items() == 0
