"""Migrations: what brings a store of an older format to the present one, or reads it as if it had it."""
