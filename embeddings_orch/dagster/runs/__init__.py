"""Runs of a pipeline: in this process, and on a running Dagster."""
