"""The account as a process: its environment, its start and its end."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

import requests

from tools.deploy.emulator.codedeploy import CodeDeploy
from tools.errors import ToolError
from tools.local.ports import HOST, free_port
from tools.project import ROOT

REQUIREMENTS = ROOT / "requirements-aws.txt"
SERVICE = Path(__file__).with_name("service.py")
ACCOUNT = "123456789012"
REGION = "eu-west-1"

_START_S = 60.0
_STOP_S = 10.0


class LocalAccount:
    """An account in memory. As a context it is there from its beginning to its end.

    It is on this machine alone, and asks for no credentials but the ones in ``variables``.

    port: 0 is any free one.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port or free_port()
        self._folder = Path(mkdtemp(prefix="aws-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.codedeploy = CodeDeploy()
        self.log = self._folder / "log"

    def __enter__(self) -> Self:
        python = environment()
        self.codedeploy.__enter__()
        for name in ("tmp", "s3", "state"):
            (self._folder / name).mkdir()
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(python), str(SERVICE)],
                env=_without_aws(os.environ) | self._settings(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its workers end with it
            )
        try:
            self._wait(self._process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.codedeploy.__exit__()
        if self._process:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self._process.pid, number)
                    self._process.wait(_STOP_S)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """The address of all its services."""
        return f"http://{HOST}:{self._port}"

    @property
    def api_url(self) -> str:
        """The address of an API's stage, with ``{api}`` for the API's id."""
        return f"{self.url}/_aws/execute-api/{{api}}/v1"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which AWS SDKs and tools find it, and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,  # the caller's own, where there is one, would win
            "AWS_ACCESS_KEY_ID": ACCOUNT,  # the emulator takes the key's id for the account
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
        }

    def _settings(self) -> dict[str, str]:
        return {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AUTH": "true",  # execution roles are enforced
            "IOT_MTLS_ENABLED": "0",
            "SFN_WAIT_SCALE": "0",
            "AWS_ENDPOINT_URL_CODEDEPLOY": self.codedeploy.url,
            "TMPDIR": str(self._folder / "tmp"),
            "S3_DATA_DIR": str(self._folder / "s3"),
            "STATE_DIR": str(self._folder / "state"),
        }

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        until = time.monotonic() + _START_S
        while time.monotonic() < until and process.poll() is None:
            try:
                if requests.get(f"{self.url}/_ministack/health", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        lines = self.log.read_text(errors="replace").splitlines()[-5:]
        raise ToolError("the local account does not start: " + " / ".join(lines))


def environment() -> Path:
    """The Python that runs the account; its environment is made where it is missing.

    It is in the cache, below a name that changes with requirements-aws.txt. Raises ToolError.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = cache / "lambda-mxnet-classifier" / f"aws-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python, ready = folder / "bin" / "python", folder / "ready"
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([str(python), *pip, "--requirement", str(REQUIREMENTS)])
            ready.touch()
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")


def _without_aws(variables: "os._Environ[str]") -> dict[str, str]:
    return {name: value for name, value in variables.items() if not name.startswith("AWS_")}
