"""How any provider is asked: retries, rate limits, packing, prices, secrets."""
