"""What a provider charges, and the guard that stops a run before it has spent too much."""

from __future__ import annotations

import threading

from pydantic import BaseModel, ConfigDict, Field

from embeddings_orch.errors import BudgetError

_ROUNDING = 1e-9


class Prices(BaseModel):
    """A provider's prices in US dollars; 0 where nothing is charged, or nobody said.

    Example:
        >>> Prices(per_million_tokens=0.02).cost(tokens=1_500_000)
        0.03
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_million_tokens: float = Field(default=0.0, ge=0, description="US dollars per million tokens.")
    per_image: float = Field(default=0.0, ge=0, description="US dollars per picture.")

    @property
    def known(self) -> bool:
        """Whether anything has a price."""
        return bool(self.per_million_tokens or self.per_image)

    def cost(self, tokens: int = 0, images: int = 0) -> float:
        """US dollars for so many tokens and pictures."""
        return tokens * self.per_million_tokens / 1e6 + images * self.per_image


class Budget:
    """US dollars that may be spent: reserved before a request by an upper bound, settled after it by the fact.

    Args:
        limit: US dollars, None for no limit.
        prices: what is charged.
    """

    def __init__(self, limit: float | None, prices: Prices) -> None:
        self.limit = limit
        self.prices = prices
        self.spent = 0.0
        self._reserved = 0.0
        self._settled = threading.Condition()

    def reserve(self, tokens: int, images: int) -> float:
        """Set aside what a request may cost at most, waiting for others whose cost is not known yet.

        Raises:
            BudgetError: it could pass the limit.
        """
        most = self.prices.cost(tokens, images)
        if self.limit is None:
            return most
        with self._settled:
            # Sums of floats are a little off: a hundred requests of a cent have to fit into a dollar.
            while self.spent + self._reserved + most > self.limit * (1 + _ROUNDING):
                # A bound is often several times the cost: what is under way may leave enough.
                if not self._reserved:
                    raise BudgetError(
                        f"the next request could cost ${most:,.6f}, and ${self.spent:,.6f} of max_cost_usd "
                        f"${self.limit:,.6f} are spent; what was bought is kept. Raise max_cost_usd, or run again"
                    )
                self._settled.wait()
            self._reserved += most
        return most

    def settle(self, reserved: float, tokens: int = 0, images: int = 0) -> None:
        """Replace a reservation by what the request did cost; nothing for one that failed."""
        with self._settled:
            self._reserved = max(0.0, self._reserved - reserved) if self.limit is not None else 0.0
            if self._reserved < 1e-12:
                self._reserved = 0.0  # sums of floats do not come back to nothing
            self.spent += self.prices.cost(tokens, images)
            self._settled.notify_all()
