"""The commands of docs/similar.md, run as they stand against the local stack."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import own_classes
import pytest

from tools.local.process import run_local_stack

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "similar.md").read_text()
COMMANDS = re.findall(r"^(scripts/.+)$", PAGE, re.MULTILINE)
DEMO = ROOT / "models" / "demo"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_local_stack(tmp_path_factory.mktemp("log") / "run.log", MODEL=str(DEMO)) as address:
        yield address


def test_commands_run_in_their_order(api: str, tmp_path: Path) -> None:
    """In an empty folder, with the digits' network in place of one that is fetched."""
    photos = own_classes.write_colors(tmp_path / "photos", 4)
    copy = cv2.imread(str(photos / "red/001.png"))
    assert copy is not None
    cv2.imwrite(str(photos / "cat.jpg"), copy)
    environment = os.environ | {
        "PORT": str(urlsplit(api).port),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    assert len(COMMANDS) == 5
    outputs = []
    for line in COMMANDS:
        command = line.replace("scripts/", f"{ROOT}/scripts/")
        command = command.replace("similar photos", f"similar photos --model {DEMO}")
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stderr}"
        outputs.append(done.stdout)
    page, query, _, _, results = outputs
    assert page.startswith("13 images; ")
    assert "cat.jpg" in page.split()
    assert query.split().index("cat.jpg") < query.split().index("red/001.png")
    assert (tmp_path / "similar.csv").read_text().startswith("image,set,neighbour,similarity\n")
    assert results.startswith("13 images; ")
    assert "similar.html is the page" in results
    assert (tmp_path / "similar.html").read_text().count("<img ") > 13
