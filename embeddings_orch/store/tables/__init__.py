"""The tables of the store: one module for each kind."""
