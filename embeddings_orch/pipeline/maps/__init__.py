"""Maps of an index: two coordinates for each vector."""
