"""Sensors and what they see: changed models, changed media, a code location to reload."""
