"""What looks alike, as one HTML page of thumbnails."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tools.model.page import template, thumbnail
from tools.model.similar.similar import Similar

_TEMPLATE = Path(__file__).with_name("similar.html.jinja")
# Of each list, and of each set: the page stays below 5 MB.
_SETS = 24
_MEMBERS = 8
_IMAGES = 40


def render_page(similar: Similar, indices: Sequence[int], title: str, *, is_query: bool) -> str:
    """The page: the sets, and the neighbours of the first images at ``indices``.

    title: what the images are. is_query: the images are those that a person asked for: no sets.
    """
    # An image may be the neighbour of many.
    small = cache(thumbnail)
    return template(_TEMPLATE, small=lambda path: small(path) if path else "").render(
        similar=similar,
        images=similar.images,
        title=title,
        sets=[] if is_query else similar.sets[:_SETS],
        members=_MEMBERS,
        indices=indices[:_IMAGES],
        count=len(indices),
        is_query=is_query,
    )
