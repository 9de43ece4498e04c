"""The kept corpus goes through its targets, and each fuzzer runs for a moment."""

import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.targets import TARGETS

HERE = Path(__file__).resolve().parent
CORPUS = [path for name in TARGETS for path in sorted((HERE / "corpus" / name).iterdir())]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_kept_inputs_end_well(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_fuzzer_runs(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "fuzz.py"), name, "-runs=2000", "-seed=1"],
        check=False, capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env={"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 2000 runs" in done.stderr
