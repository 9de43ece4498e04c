"""`make run` as a process of its own, for measurements and tests."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import requests

from tools.errors import ToolError
from tools.local.ports import free_port
from tools.project import ROOT

_START_S = 120.0
_STOP_S = 30.0
_POLL_S = 0.2


@contextlib.contextmanager
def run_local_stack(log: Path, **variables: str) -> Iterator[str]:
    """Run the local stack on a free port; yields its address once it is healthy.

    log: the file that its output is written to.
    variables: added to its environment, ``MODEL`` for one.

    Raises ToolError: it does not start; the message holds its output.
    """
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "run.py"],
            env={**os.environ, "PORT": str(port), **variables},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        if not wait_until_healthy(url, process):
            raise ToolError(f"The local stack did not start:\n{log.read_text()}")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_S)


def wait_until_healthy(url: str, process: "subprocess.Popen[bytes]") -> bool:
    """Whether ``GET /health`` at ``url`` answers 200 while ``process`` runs, within two minutes."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{url}/health", timeout=30).ok:
                return True
        time.sleep(_POLL_S)
    return False
