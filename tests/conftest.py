"""What tests share.

s3_server    a local S3, one for the session: ``.url``, ``.client()``, and ``.variables`` for an
             environment. They are set here too, so that ``boto3.client("s3")`` finds it.
s3           a client of it; the test's buckets are deleted after the test.
emulator     starts an execution environment and stops it after the test:
             ``emulator(code=folder, handler="app.lambda_handler", variables={...}, timeout_s=30)``
             gives an ``Environment`` whose ``log`` is the list of lines that the function wrote.
             By default it is src/'s own function, and it finds the local S3.

No test reaches beyond this machine: a connection to any other address, or a look-up of any other
name, raises.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from aws_lambda_powertools import Logger

from tools.local.environment import Environment, Function
from tools.local.s3 import CREDENTIALS, LocalS3
from tools.local.settings import SETTINGS

ROOT = Path(__file__).parent.parent

os.environ["SAM_CLI_TELEMETRY"] = "0"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
# A shell starts background jobs with SIGINT ignored, and what a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _refuse_other_machines(event: str, details: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = details[1]
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"  # a Unix socket's path
    elif event == "socket.getaddrinfo":
        host = details[0]
    else:
        return
    if host in (None, "", "localhost", b"localhost"):
        return
    try:
        is_here = ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise RuntimeError(f"a test tried to reach {host!r}")


sys.addaudithook(_refuse_other_machines)


class Stdout:
    """The current standard output, which a test may have replaced."""

    def write(self, text: str) -> None:
        sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


# All loggers of one name write where the first does: to the standard output of the first test.
Logger(service="classifier", stream=Stdout())


class Emulator(Environment):
    """An environment that keeps its log."""

    def __init__(self, function: Function) -> None:
        self.log: list[str] = []
        super().__init__(function, self.log.append)


@pytest.fixture(autouse=True)
def _no_caller_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the caller, for AWS or for the function, do not reach the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        if name not in ("AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL_S3", *CREDENTIALS):
            monkeypatch.delenv(name)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[LocalS3]:
    server = LocalS3()
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.variables.items():
            patch.setenv(name, value)
        yield server
    server.stop()


@pytest.fixture
def s3(s3_server: LocalS3) -> Iterator[Any]:
    client = s3_server.client()
    yield client
    client.close()
    requests.post(f"{s3_server.url}/moto-api/reset", timeout=10).raise_for_status()


@pytest.fixture
def emulator(s3_server: LocalS3) -> Iterator[Callable[..., Emulator]]:
    started: list[Emulator] = []

    def start(
        *,
        code: Path = ROOT / "src",
        handler: str = "app.lambda_handler",
        variables: dict[str, str] | None = None,
        timeout_s: int = 30,
    ) -> Emulator:
        passed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        passed |= {name: value for name, value in os.environ.items() if "COVERAGE" in name}
        function = Function(
            handler=handler,
            code=code,
            variables=passed | s3_server.variables | (variables or {}),
            timeout_s=timeout_s,
        )
        environment = Emulator(function)
        started.append(environment)
        environment.start()
        return environment

    yield start
    for environment in started:
        environment.stop()
