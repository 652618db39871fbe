"""An item's id at the end of a path: all of it, whatever characters it has."""

from __future__ import annotations

from starlette.convertors import PathConvertor, register_url_convertor


class _ItemIdConvertor(PathConvertor):
    # Starlette's own takes no line breaks.
    regex = "(?s:.*)"


register_url_convertor("item_id", _ItemIdConvertor())

AT_END = "/{id:item_id}"
"""For a route's path. A client may take dots for folders (``..``), so that each route has the id as a parameter too."""
