"""Places in pages that scripts fill: between ``<!-- name -->`` and ``<!-- /name -->``."""

import re
from pathlib import Path

import click


def fill(page: Path, name: str, text: str) -> None:
    """Put ``text`` into the place ``name`` of ``page``.

    Raises click.ClickException: it has none.
    """
    place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    before = page.read_text()
    if not place.search(before):
        raise click.ClickException(f"{page}: <!-- {name} --> and <!-- /{name} --> are gone")
    page.write_text(place.sub(lambda found: f"{found[1]}{text.rstrip()}\n{found[2]}", before))
