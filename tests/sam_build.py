"""The output of `sam build`, and a way to run its function as Lambda runs it.

LAMBDA_SANDBOX names the folder of a sandbox: its run.sh gives a function Lambda's file system,
user, limits and libraries, and nothing else. Without it the function runs in a process with the
built folders and the runtime's packages, but with this machine's libraries.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest

from tools.checks.build import parts_of
from tools.local.environment import EMULATOR
from tools.local.ports import free_ports

ROOT = Path(__file__).parents[1]
BUILD = ROOT / ".aws-sam" / "build"
SANDBOX = os.environ.get("LAMBDA_SANDBOX")

if not (BUILD / "template.yaml").is_file():
    pytest.skip("nothing is built: run `make build` first", allow_module_level=True)

PARTS = {part.name: part.folder for part in parts_of(BUILD)}
LAYERS = {name: PARTS[name] for name in ("MxnetLayer", "OpencvLayer")}
FUNCTION = next(folder for folder in PARTS.values() if folder not in LAYERS.values())
# In the order of Lambda's sys.path: the function's folder, then the layers', which share /opt.
PATHS = [FUNCTION, *(folder / "python" for folder in LAYERS.values())]
# The packages of Lambda's python3.12 runtime.
RUNTIME_PACKAGES = (
    "awslambdaric", "boto3", "botocore", "jmespath", "python-dateutil", "s3transfer",
    "simplejson", "six", "snapshot-restore-py", "urllib3",
)  # fmt: skip
MEMORY_MB = 1024
_START_S = 60


def python(code: str, *arguments: str, paths: list[Path]) -> bytes:
    """The output of ``code`` in a Python with the standard library and ``paths`` alone."""
    process = subprocess.run(
        [sys.executable, "-S", "-c", code, *arguments],
        env={"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return process.stdout


def runtime(folder: Path) -> Path:
    """Link RUNTIME_PACKAGES, and nothing else, into the new ``folder``, as in /var/runtime."""
    folder.mkdir()
    for package in RUNTIME_PACKAGES:
        for file in files(package) or []:
            top = Path(str(file.locate())) if len(file.parts) == 1 else None
            source = top or Path(str(file.locate())).parents[len(file.parts) - 2]
            with contextlib.suppress(FileExistsError):
                if ".." not in file.parts:
                    (folder / source.name).symlink_to(source)
    return folder


class BuiltFunction:
    """A built function in its sandbox; ``peak_mb`` is there once it has ended."""

    def __init__(self, variables: dict[str, str], runtime_folder: Path, log: Path) -> None:
        self._port, runtime_port = free_ports(2)
        self._log = log
        self.peak_mb = 0
        if SANDBOX:
            layers = ":".join(str(folder) for folder in LAYERS.values())
            command = [f"{SANDBOX}/run.sh", str(FUNCTION), layers, "app.lambda_handler"]
            command += [str(self._port), *(f"{name}={value}" for name, value in variables.items())]
            limits = {"MEM": str(MEMORY_MB), "NET": "shared", "RAPI": f"127.0.0.1:{runtime_port}"}
            environment = {**os.environ, **limits}
        else:
            command = [
                str(EMULATOR),
                "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}",
                "--runtime-api-address", f"127.0.0.1:{runtime_port}",
                sys.executable, "-S", "-m", "awslambdaric", "app.lambda_handler",
            ]  # fmt: skip
            paths = os.pathsep.join(str(path) for path in [*PATHS, runtime_folder])
            environment = {
                **variables,
                "PYTHONPATH": paths,
                "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
            }
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=FUNCTION, env=environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._wait_until_listening()

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with contextlib.closing(connection):
            path = "/2015-03-31/functions/function/invocations"
            connection.request("POST", path, json.dumps(event))
            body = connection.getresponse().read()
        try:
            response: dict[str, Any] = json.loads(body)
            assert "statusCode" in response
        except (ValueError, AssertionError):
            pytest.fail(f"the function answered {body!r}; its log:\n{self._log.read_text()}")
        return response

    def stop(self) -> None:
        if SANDBOX:
            self._process.terminate()
            self._process.wait(30)
            peaks = re.findall(r"^peak_mem_mb=(\d+)$", self._log.read_text(), re.MULTILINE)
            self.peak_mb = int(peaks[-1])
        else:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            time.sleep(0.05)
        pytest.fail(f"the sandbox did not start:\n{self._log.read_text()}")


@contextlib.contextmanager
def running(variables: dict[str, str], folder: Path) -> Iterator[BuiltFunction]:
    """Run the built function with ``variables`` in its environment. folder: for its files."""
    function = BuiltFunction(variables, runtime(folder / "runtime"), folder / "log")
    try:
        yield function
    finally:
        function.stop()


def copy_of_the_build(folder: Path) -> Path:
    """As `sam build` left it; files are shared with it until they are written anew."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copy2(source, target)

    build = folder / ".aws-sam" / "build"
    written = shutil.ignore_patterns("deployment.json", "template.yaml")
    shutil.copytree(BUILD, build, copy_function=link, ignore=written)
    shutil.copy(BUILD / "template.yaml", build)
    shutil.copy(ROOT / "apigateway.yaml", folder)
    shutil.copytree(ROOT / "statemachine", folder / "statemachine")
    return build / "template.yaml"
