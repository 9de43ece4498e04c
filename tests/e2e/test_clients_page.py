"""The blocks of docs/clients.md, run as they stand against the local stack."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import golden_events
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
COMMANDS = re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
JAVASCRIPT = re.findall(r"```javascript\n(.*?)```", PAGE, re.DOTALL)


def run(command: list[str], folder: Path) -> str:
    (folder / "docs").mkdir()
    (folder / "docs/example.jpg").write_bytes(golden_events.IMAGES["green.jpg"])
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def local(text: str, local_stack: str) -> str:
    return text.replace("http://127.0.0.1:3000", local_stack)


def test_page_has_blocks() -> None:
    assert (len(COMMANDS), len(PYTHON), len(JAVASCRIPT)) == (4, 3, 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_command(local_stack: str, tmp_path: Path, command: str) -> None:
    if "jq" in command and not shutil.which("jq"):
        pytest.skip("there is no jq")
    output = run(["bash", "-o", "pipefail", "-c", local(command, local_stack)], tmp_path)
    assert '"labels": [{"class": "c1", "label": "green"' in output


@pytest.mark.parametrize("block", PYTHON)
def test_python(local_stack: str, tmp_path: Path, block: str) -> None:
    output = run([sys.executable, "-c", local(block, local_stack)], tmp_path)
    assert output.startswith("green")


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js")
@pytest.mark.parametrize("block", JAVASCRIPT)
def test_javascript(local_stack: str, tmp_path: Path, block: str) -> None:
    (tmp_path / "block.mjs").write_text(local(block, local_stack))
    assert run(["node", "block.mjs"], tmp_path).startswith("green")
