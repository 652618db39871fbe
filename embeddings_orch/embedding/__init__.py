"""A batch in, vectors and failures out."""
