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
from tools.local.ports import free_ports

EMULATOR = Path(str(files("samcli"))) / "local/rapid/aws-lambda-rie-x86_64"
_INVOKE = "/2015-03-31/functions/function/invocations"
_TIMED_OUT = re.compile(rb"Task timed out after [0-9.]+ seconds")
# The emulator's own lines, which tell nothing that a caller of a function asks for.
_CHATTER = re.compile(r"(START|END|REPORT) RequestId: |\d\d \w{3} \d{4} [\d:,]+ \[\w+\] \(rapid\) ")
_STARTS = 3
_STOP_S = 3.0


class EnvironmentFailed(ToolError):
    """The function gave no answer: it ended, or it was ended."""


class TimedOut(EnvironmentFailed):
    """The function ran out of its time."""


@dataclass(frozen=True)
class Function:
    """What Lambda is told of a function. code: the folder that its zip is made of."""

    handler: str
    code: Path
    variables: Mapping[str, str]
    timeout_s: int = 30
    memory_mb: int = 1769


class Environment:
    """One execution environment: it takes one call at a time, as Lambda's do.

    log: gets each line that the function writes.
    """

    def __init__(self, function: Function, log: Callable[[str], None]) -> None:
        self._function = function
        self._log = log
        self._lock = Lock()  # two calls at once make the emulator panic
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def start(self) -> None:
        """Start the emulator; the function itself starts with the first call.

        Raises EnvironmentFailed.
        """
        for _ in range(_STARTS):  # somebody else may take a port between the choice and its use
            self._port, runtime_port = free_ports(2)
            self._process = self._spawn(runtime_port)
            Thread(target=self._read_log, args=(self._process,), daemon=True).start()
            if self._is_listening(self._process):
                return
            self.stop()
        raise EnvironmentFailed("The emulator does not start.")

    def invoke(self, event: bytes) -> bytes:
        """The function's answer to ``event``, both JSON. An emulator that ended is started anew.

        Raises TimedOut, EnvironmentFailed.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self.start()
            # The emulator ends a call that takes too long; ours is the second line of defence.
            patience = self._function.timeout_s + 10
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=patience)
            try:
                connection.request("POST", _INVOKE, event)
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.stop()
                raise EnvironmentFailed("The emulator ended.") from error
            finally:
                connection.close()
        if _TIMED_OUT.fullmatch(answer):
            raise TimedOut(answer.decode())
        if response.status != http.client.OK:
            raise EnvironmentFailed(answer.decode(errors="replace"))
        return answer

    def stop(self) -> None:
        """End the emulator and the function, and wait until they are gone."""
        process, self._process = self._process, None
        if process is None:
            return
        functions = _children(process.pid)
        # Told to end, the emulator would kill the function; when it is gone, the function's
        # runtime client ends by itself, and what runs at exit is run.
        process.kill()
        process.wait()
        for pid in functions:
            _wait(pid)

    def _spawn(self, runtime_port: int) -> subprocess.Popen[str]:
        function = self._function
        emulator = [
            str(EMULATOR),
            "--runtime-interface-emulator-address",
            f"127.0.0.1:{self._port}",
            "--runtime-api-address",
            f"127.0.0.1:{runtime_port}",
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
            # Ctrl-C reaches everybody in the terminal's group; who ends when is ours to say.
            start_new_session=True,
        )

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                # After the end, only the runtime client's complaint of it is to come.
                if process is self._process and line.strip() and not _CHATTER.match(line):
                    self._log(line.rstrip())

    def _is_listening(self, process: subprocess.Popen[str]) -> bool:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return True
            time.sleep(0.01)
        return False


def _children(pid: int) -> list[int]:
    """The processes that ``pid`` started, of all its threads."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def _wait(pid: int) -> None:
    """Wait for a process that is not our child to end; kill it when it does not."""
    give_up = time.monotonic() + _STOP_S
    while _is_running(pid):
        if time.monotonic() > give_up:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    """Whether a process runs; one that ended may stand in the list until somebody collects it."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
