"""What is spent never passes the limit, whoever asks at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from embeddings_orch.errors import BudgetError
from embeddings_orch.policy.prices import Budget, Prices

CENT = Prices(per_million_tokens=10_000)  # a cent a token


def test_cost_of_tokens_and_pictures():
    prices = Prices(per_million_tokens=0.02, per_image=0.001)
    assert prices.cost(1_500_000, 20) == pytest.approx(0.03 + 0.02)
    assert prices.known
    assert not Prices().known
    assert Prices().cost(10**9, 10**9) == 0


@pytest.mark.parametrize("wrong", [{"per_million_tokens": -1}, {"per_image": -0.1}, {"per_token": 1}])
def test_wrong_prices_are_refused(wrong):
    with pytest.raises(ValidationError):
        Prices(**wrong)


def test_a_request_that_could_pass_the_limit_is_refused_with_what_is_spent():
    budget = Budget(0.10, CENT)
    budget.settle(budget.reserve(8, 0), 8)
    with pytest.raises(BudgetError, match=r"could cost \$0\.030000, and \$0\.080000 of max_cost_usd \$0\.100000"):
        budget.reserve(3, 0)
    budget.reserve(2, 0)


def test_a_limit_can_be_spent_to_the_last_cent():
    budget = Budget(1.0, CENT)
    for _ in range(100):
        budget.settle(budget.reserve(1, 0), 1)
    assert budget.spent == pytest.approx(1.0)
    with pytest.raises(BudgetError):
        budget.reserve(1, 0)


def test_what_failed_costs_nothing_and_what_was_cheaper_leaves_the_rest():
    budget = Budget(0.10, CENT)
    budget.settle(budget.reserve(10, 0))
    budget.settle(budget.reserve(10, 0), 1)
    assert budget.spent == pytest.approx(0.01)
    budget.reserve(9, 0)


def test_a_request_waits_for_one_whose_cost_is_not_known_yet():
    """A bound is often several times the cost: to refuse at once would waste most of a budget."""
    budget = Budget(0.10, CENT)
    first = budget.reserve(10, 0)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(budget.reserve, 8, 0)
        time.sleep(0.05)
        assert not second.done()
        budget.settle(first, 2)
        assert second.result(5) == pytest.approx(0.08)


def test_a_waiting_request_is_refused_once_the_others_have_cost_too_much():
    budget = Budget(0.10, CENT)
    first = budget.reserve(10, 0)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(budget.reserve, 8, 0)
        time.sleep(0.05)
        budget.settle(first, 9)
        with pytest.raises(BudgetError):
            second.result(5)


def test_eight_threads_never_spend_more_than_the_limit():
    budget, lock = Budget(5.00, CENT), threading.Lock()
    spent = stopped = 0

    def worker(number):
        nonlocal spent, stopped
        for turn in range(200):
            try:
                reserved = budget.reserve(10, 0)
            except BudgetError:
                with lock:
                    stopped += 1
                return
            cost = 0 if turn % 7 == 0 else 3 + (number + turn) % 8  # at most what was reserved
            time.sleep(0.0002)
            with lock:
                spent += cost
                assert spent <= 500
            budget.settle(reserved, cost)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(worker, range(8)))
    assert stopped == 8
    # Less than one bound is left over.
    assert 490 < spent <= 500


def test_without_a_limit_nothing_is_refused_and_all_is_counted():
    budget = Budget(None, CENT)
    for _ in range(10):
        budget.settle(budget.reserve(10**6, 0), 10)
    assert budget.spent == pytest.approx(1.0)
