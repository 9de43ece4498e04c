"""An execution environment: the runtime interface emulator with the real runtime client in it."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from threading import Lock, Thread

from tools.errors import ToolError
from tools.local.ports import HOST, free_ports

EMULATOR = Path(str(files("samcli"))) / "local/rapid/aws-lambda-rie-x86_64"
_INVOKE = "/2015-03-31/functions/function/invocations"
_TIMED_OUT = re.compile(rb"Task timed out after [0-9.]+ seconds")
# The emulator's own lines, which say nothing of the function.
_EMULATOR_LINE = re.compile(
    r"(START|END|REPORT) RequestId: |\d\d \w{3} \d{4} [\d:,]+ \[\w+\] \(rapid\) "
)
_STARTS = 3
_STOP_S = 3.0


class EnvironmentFailed(ToolError):
    """The function gave no answer: its process ended, or was ended."""


class TimedOut(EnvironmentFailed):
    """The function took longer than its timeout."""


@dataclass(frozen=True)
class Function:
    """A function's configuration. code: the folder that its zip is made of."""

    handler: str
    code: Path
    variables: Mapping[str, str]
    timeout_s: int = 30
    memory_mb: int = 1769


class Environment:
    """One execution environment. Like Lambda's it takes one call at a time.

    log: called with each line that the function writes.
    """

    def __init__(self, function: Function, log: Callable[[str], None]) -> None:
        self._function = function
        self._log = log
        self._lock = Lock()  # Two calls at once make the emulator panic.
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def start(self) -> None:
        """Start the emulator; the function itself starts with the first call.

        Raises EnvironmentFailed.
        """
        for _ in range(_STARTS):  # Another process may take a port before the emulator does.
            self._port, runtime_port = free_ports(2)
            self._process = self._spawn(runtime_port)
            Thread(target=self._read_log, args=(self._process,), daemon=True).start()
            if self._is_listening(self._process):
                return
            self.stop()
        raise EnvironmentFailed("The emulator does not start.")

    def invoke(self, event: bytes) -> bytes:
        """The function's response to ``event``, both JSON. An emulator that ended is started again.

        Raises TimedOut, EnvironmentFailed.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self.start()
            # The emulator ends a call that takes too long; ours is in case it does not.
            timeout_s = self._function.timeout_s + 10
            connection = http.client.HTTPConnection(HOST, self._port, timeout=timeout_s)
            try:
                connection.request("POST", _INVOKE, event)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.stop()
                raise EnvironmentFailed("The emulator ended.") from error
            finally:
                connection.close()
        if _TIMED_OUT.fullmatch(body):
            raise TimedOut(body.decode())
        if response.status != http.client.OK:
            raise EnvironmentFailed(body.decode(errors="replace"))
        return body

    def stop(self) -> None:
        """End the emulator and the function, and wait until they are gone."""
        process, self._process = self._process, None
        if process is None:
            return
        functions = children(process.pid)
        # On SIGTERM the emulator would kill the function. When the emulator is gone, the function's
        # runtime client ends by itself, and exit handlers run.
        process.kill()
        process.wait()
        for pid in functions:
            _wait(pid)

    def _spawn(self, runtime_port: int) -> subprocess.Popen[str]:
        function = self._function
        emulator = [
            str(EMULATOR),
            "--runtime-interface-emulator-address",
            f"{HOST}:{self._port}",
            "--runtime-api-address",
            f"{HOST}:{runtime_port}",
            "--log-level",
            "warn",
        ]
        lambda_variables = {
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_s),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "PYTHONUNBUFFERED": "1",
        }
        return subprocess.Popen(
            [*emulator, sys.executable, "-m", "awslambdaric", function.handler],
            cwd=function.code,
            env={**function.variables, **lambda_variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C reaches every process of the terminal's group; `stop` ends this one.
            start_new_session=True,
        )

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                # After `stop` only the runtime client's complaint about it comes.
                if process is self._process and line.strip() and not _EMULATOR_LINE.match(line):
                    self._log(line.rstrip())

    def _is_listening(self, process: subprocess.Popen[str]) -> bool:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, self._port), timeout=1).close()
                return True
            time.sleep(0.01)
        return False


def children(pid: int) -> list[int]:
    """The processes that any thread of ``pid`` started."""
    pids: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            pids += map(int, path.read_text().split())
    return pids


def _wait(pid: int) -> None:
    """Wait until a process that is not our child has ended; kill it after ``_STOP_S``."""
    deadline = time.monotonic() + _STOP_S
    while is_running(pid):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that ended is listed until its parent collects it."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
