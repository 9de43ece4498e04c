"""Sections of pages that scripts write: between ``<!-- name -->`` and ``<!-- /name -->``."""

import re
from pathlib import Path

from tools.errors import ToolError


def fill_section(page: Path, name: str, text: str) -> None:
    """Replace the section ``name`` of ``page`` with ``text``.

    Raises ToolError: the page has no such section.
    """
    section = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    content = page.read_text()
    if not section.search(content):
        raise ToolError(f"{page}: <!-- {name} --> and <!-- /{name} --> are missing: put them back")
    page.write_text(section.sub(lambda match: f"{match[1]}{text.rstrip()}\n{match[2]}", content))
