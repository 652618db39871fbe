"""The catalog step: list the media."""
