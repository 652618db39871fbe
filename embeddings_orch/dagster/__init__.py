"""The steps as Dagster sees them: component, assets, checks, resources."""
