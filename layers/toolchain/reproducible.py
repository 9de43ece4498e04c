"""The last step of a layer: bytecode, and the same bytes on every machine."""

import os
import subprocess
import sys
from pathlib import Path

from .machine import EPOCH


def make_reproducible(layer: Path) -> None:
    """Compile the layer's Python, and give each file one mode and one date.

    Lambda's file system is read-only: what is not compiled here is compiled at each start. Python
    does not compare the bytecode with the date of its source, which unpacking changes.
    """
    subprocess.run(
        [sys.executable, "-I", "-S", "-W", "ignore", "-m", "compileall", "-q", "-j1",
         "--invalidation-mode", "unchecked-hash", "-s", str(layer), "-p", "/opt", str(layer)],
        env={"PYTHONHASHSEED": "0"}, check=True,
    )  # fmt: skip
    for path in [*layer.rglob("*"), layer]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH, EPOCH))
