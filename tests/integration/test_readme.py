"""The README's commands, run as they stand against what `make run` starts.

A server on this machine stands for the one of the photograph. The network is EfficientNet-Lite0
where models/ holds it (`make run` fetches it, and so does CI), else the digits, whose labels nobody
compares. Commands of make are left to tests/integration/test_run.py (``run``), to whoever runs this
(``test``), and to the e2e tests.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import golden_events
import pytest

from tools.local.process import run_local_stack

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\$ (curl .+)\n((?:[^$`].*\n)?)", README, re.MULTILINE)
PHOTOGRAPH = "https://upload.wikimedia.org/wikipedia/commons/3/3a/Cat03.jpg"
REAL = ROOT / "models" / "efficientnet-lite0"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Of the API, and of the image server."""
    log = tmp_path_factory.mktemp("log") / "run.log"
    model = REAL if REAL.is_dir() else ROOT / "models" / "demo"
    with (
        golden_events.image_server() as images_at,
        run_local_stack(log, MODEL=str(model), PRIVATE_URL_HOSTS=images_at) as api,
    ):
        yield api, images_at


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_command_prints_what_the_readme_shows(
    addresses: tuple[str, str], command: str, shown: str
) -> None:
    api, images_at = addresses
    for written, meant in (
        ("http://127.0.0.1:3000", api),
        (PHOTOGRAPH, f"http://{images_at}/green.jpg"),
    ):
        command = command.replace(written, meant)
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    if shown and (REAL.is_dir() or '"labels"' not in shown):
        assert fnmatchcase(done.stdout.strip(), shown.strip().replace("[", "[[]").replace("…", "*"))
    else:
        answer = json.loads(done.stdout)
        results = answer.get("results", [answer])
        assert all(result["labels"] for result in results), done.stdout


def test_readme_has_commands() -> None:
    assert len(COMMANDS) >= 6
    assert "$ make run" in README
    assert "$ make test" in README


def test_links_lead_to_files() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("[CS]*.md")]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page}: {link}"
