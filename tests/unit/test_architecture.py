"""docs/architecture.md lists the modules that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"


def test_the_table_lists_every_module_and_no_other() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    listed = re.findall(r"^\| `([\w/]+\.py)` \|", page, re.MULTILINE)
    modules = {
        str(path.relative_to(SRC)) for path in SRC.rglob("*.py") if path.name != "__init__.py"
    }
    assert len(listed) == len(set(listed))
    assert set(listed) == modules


def test_init_files_are_empty() -> None:
    assert not [path for path in SRC.rglob("__init__.py") if path.read_text()]


@pytest.mark.parametrize(("folder", "most"), [("src", 220), ("tools", 250), ("scripts", 15)])
def test_files_are_short(folder: str, most: int) -> None:
    # scripts/_environment.py is no command: every command imports it.
    files = [path for path in (ROOT / folder).rglob("*.py") if path.name != "_environment.py"]
    assert files
    assert not [path for path in files if len(path.read_text().splitlines()) > most]
