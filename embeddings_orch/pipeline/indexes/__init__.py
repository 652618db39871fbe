"""The index step: join the catalog with vectors and build the indexes."""
