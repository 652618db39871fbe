"""The catalog: its columns and cells, what is read of an item, what changed since the last scan."""
