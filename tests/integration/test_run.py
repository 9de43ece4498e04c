"""`make run` as people start it: what it serves and prints, and that it leaves no process."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import colors
import images
import pytest
import requests
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

from tools.local import models
from tools.local.environment import Environment, children, is_running
from tools.local.gateway import Exchange, create_app
from tools.local.pool import Pool
from tools.local.ports import free_port
from tools.local.s3 import LocalS3

ROOT = Path(__file__).parents[2]
RED = images.encode(images.plain((255, 0, 0)), "PNG")
PNG = {"content-type": "image/png"}


class Run:
    """One run of ``command``; its output goes to ``log``."""

    def __init__(self, log: Path, command: list[str], **variables: str) -> None:
        self.port = int(variables.setdefault("PORT", str(free_port())))
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        bin_folder = str(Path(sys.executable).parent)
        environment = {
            **os.environ,
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            **variables,
        }
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_until_up(self) -> None:
        for _ in range(600):
            if "or paste:" in self.output:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        pytest.fail(f"the stack did not start:\n{self.output}")

    def processes(self) -> list[int]:
        """The run's own process and all its descendants."""
        pids, generation = [], [self.process.pid]
        while generation:
            pids += generation
            generation = [child for pid in generation for child in children(pid)]
        return pids

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return colors.write_bundle(tmp_path_factory.mktemp("bundle") / "colors")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*, command: tuple[str, ...] = (), **variables: str) -> Run:
        log = tmp_path / f"run-{len(runs)}.log"
        runs.append(Run(log, list(command) or [sys.executable, "scripts/run.py"], **variables))
        return runs[-1]

    yield start
    for each in runs:
        each.end()


@pytest.fixture(scope="module")
def stack(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    log = tmp_path_factory.mktemp("stack") / "log"
    command = [sys.executable, "scripts/run.py"]
    settings = {"S3_READ_BUCKETS": "images", "MAX_IMAGE_PIXELS": "300000"}
    running = Run(log, command, MODEL=str(bundle), ENVIRONMENTS="2", **settings)
    running.wait_until_up()
    yield running
    running.end()


def test_image_is_classified(stack: Run) -> None:
    answer = requests.post(f"{stack.url}/predict", RED, headers=PNG, timeout=30)
    assert answer.status_code == 200
    labels = answer.json()["labels"]
    assert {each["label"]: each["probability"] for each in labels} == pytest.approx(
        colors.expected((255, 0, 0)), abs=1e-5
    )


def test_simultaneous_requests_use_all_environments(stack: Run) -> None:
    def call(_number: int) -> int:
        return requests.post(f"{stack.url}/predict", RED, headers=PNG, timeout=60).status_code

    with ThreadPoolExecutor(24) as threads:
        assert list(threads.map(call, range(96))) == [200] * 96
    used = set(re.findall(r"POST    /predict .* (env \d)", stack.output))
    assert used == {"env 1", "env 2"}


def test_settings_of_the_caller_reach_the_function(stack: Run) -> None:
    large = images.encode(images.plain((0, 0, 0), (601, 500)), "PNG")
    answer = requests.post(f"{stack.url}/predict", large, headers=PNG, timeout=30)
    assert answer.status_code == 413


def test_image_in_the_local_s3_can_be_named(stack: Run) -> None:
    address = re.search(r"S3 stand-in +(\S+),", stack.output)
    assert address
    s3 = boto3.client(
        "s3",
        endpoint_url=address[1],
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    s3.put_object(Bucket="images", Key="red.png", Body=RED)
    s3.close()
    query = {"url": "s3://images/red.png", "top_k": "1"}
    answer = requests.get(f"{stack.url}/predict", query, timeout=30)
    assert [label["label"] for label in answer.json()["labels"]] == ["red"]


def test_printed_curl_command_works(stack: Run) -> None:
    printed = re.search(r"^  (curl .*)$", stack.output, re.MULTILINE)
    assert printed
    answer = subprocess.run(
        ["bash", "-c", f"{printed[1]} -s"], cwd=ROOT, capture_output=True, check=True, timeout=30
    )
    assert set(json.loads(answer.stdout)) == {"model", "labels", "timing_ms", "cold_start"}


def test_log_has_one_line_for_each_request_and_no_query(stack: Run) -> None:
    requests.get(f"{stack.url}/predict", {"url": "ftp://secret.example/x"}, timeout=30)
    requests.get(f"{stack.url}/nowhere%0a%1b[31m", timeout=30)
    lines = stack.output.splitlines()
    line = re.compile(r"\d\d:\d\d:\d\d  [A-Z]+ +/\S* +\d{3} +[\d.]+ ms  (env \d|gateway)")
    start = next(number for number, text in enumerate(lines) if "curl" in text)
    log = [text for text in lines[start + 1 :] if text]
    assert log
    assert not [text for text in log if not line.fullmatch(text)]
    assert "secret" not in stack.output
    assert "\x1b" not in stack.output


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_ends_all_processes(run: Callable[..., Run], bundle: Path, name: str) -> None:
    running = run(MODEL=str(bundle), ENVIRONMENTS="2")
    running.wait_until_up()
    started = running.processes()
    assert len(started) == 5  # itself, and twice an emulator with the function in it
    running.process.send_signal(getattr(signal, name))
    assert running.process.wait(20) == 0
    assert [pid for pid in started if is_running(pid)] == []
    assert running.output.rstrip().endswith("Stopped.")
    assert "Traceback" not in running.output


def test_signal_to_make_alone_ends_all_processes(run: Callable[..., Run], bundle: Path) -> None:
    make = ("make", "-o", ".venv/ready", "run")
    running = run(command=make, MODEL=str(bundle))
    running.wait_until_up()
    started = running.processes()
    running.process.send_signal(signal.SIGINT)
    running.process.wait(20)
    deadline = time.monotonic() + 10
    while any(map(is_running, started)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in started if is_running(pid)] == []
    assert "Traceback" not in running.output


def startup_error(run: Callable[..., Run], **variables: str) -> str:
    """The last line of a run that must not start: its error, with no trace."""
    running = run(**variables)
    assert running.process.wait(60) == 1
    assert "Traceback" not in running.output
    return running.output.splitlines()[-1]


@pytest.mark.parametrize("variable", ["PORT", "S3_PORT"])
def test_port_in_use_is_one_line(run: Callable[..., Run], bundle: Path, variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = startup_error(run, MODEL=str(bundle), **{variable: port})
    assert line.startswith(f"Error: {variable}={port}: Address already in use")


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("PORT", "many", "Error: Invalid value for '--port': 'many' should be a number"),
        ("PORT", "70000", "Error: Invalid value for '--port': '70000' should be a number"),
        ("ENVIRONMENTS", "0", "Error: Invalid value for '--environments'"),
        ("MODEL", "/nowhere/at/all", "Error: MODEL=/nowhere/at/all: there is no such folder"),
        ("MODEL", str(ROOT / "docs"), f"Error: {ROOT}/docs/manifest.json: no such file"),
        ("MODEL_URI", "s3://models/x", "Error: MODEL and MODEL_URI are both set"),
    ],
)
def test_wrong_value_is_one_line(bundle: Path, variable: str, value: str, error: str) -> None:
    variables = {"MODEL": str(bundle), "PORT": str(free_port()), variable: value}
    process = subprocess.run(
        [sys.executable, "scripts/run.py"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.startswith(error)
    assert len(process.stderr.splitlines()) == 1


def test_flipped_byte_is_one_line_that_names_the_file(
    run: Callable[..., Run], bundle: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(bundle, tmp_path / "broken")
    data = bytearray((broken / "colors-0000.params").read_bytes())
    data[-1] ^= 1
    (broken / "colors-0000.params").write_bytes(data)
    line = startup_error(run, MODEL=str(broken))
    assert line.startswith(f"Error: {broken}/colors-0000.params: its SHA-256")


def test_wrong_number_of_labels_is_one_line_of_the_function(
    run: Callable[..., Run], bundle: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(bundle, tmp_path / "broken")
    (broken / "synset.txt").write_text("red\ngreen\n")
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["files"]["labels"] = colors.describe(broken, "synset.txt")
    (broken / "manifest.json").write_text(json.dumps(manifest))
    running = run(MODEL=str(broken))
    assert running.process.wait(60) == 1
    assert [line for line in running.output.splitlines() if "synset.txt" in line] == [
        "  ✗ synset.txt: 2 labels for 3 outputs"
    ]
    assert "Traceback" not in running.output


def test_model_uri_is_served_from_its_s3(
    run: Callable[..., Run], bundle: Path, s3_server: LocalS3, s3: Any
) -> None:
    s3.create_bucket(Bucket="elsewhere")
    settings = s3_server.variables | {"MODEL_URI": "s3://elsewhere/colors"}
    running = run(**settings)
    running.wait_until_up()
    assert requests.get(f"{running.url}/health", timeout=30).status_code == 503
    reasons = [line for line in running.output.splitlines() if line.startswith("  ✗")]
    assert len(reasons) == 1
    assert "s3://elsewhere/colors/manifest.json" in reasons[0]
    for path in bundle.iterdir():
        s3.put_object(Bucket="elsewhere", Key=f"colors/{path.name}", Body=path.read_bytes())
    healthy = run(**settings)
    healthy.wait_until_up()
    assert requests.get(f"{healthy.url}/health", timeout=30).json()["model"]["name"] == "colors"


HANDLER = """
import os, time

def handler(event, context):
    what = event["path"]
    if what == "/health":
        time.sleep(5)
    if what == "/docs":
        os._exit(3)
    if what == "/openapi.json":
        raise ValueError("nobody caught this")
    return {"statusCode": 200, "body": event["requestContext"]["requestId"]}
"""


@pytest.fixture
def failing_function(emulator: Callable[..., Environment], tmp_path: Path) -> Any:
    """The template's API before a function that fails in every way; its log; its environment."""
    (tmp_path / "failing.py").write_text(HANDLER)
    environment = emulator(code=tmp_path, handler="failing.handler", timeout_s=1)
    log: list[Exchange] = []
    stacks, _ = SamLocalStackProvider.get_stacks(str(ROOT / "template.yaml"))
    app = create_app(stacks[0], ROOT, Pool([environment]), log.append)
    return app.test_client(), log, environment


def test_gateway_answers_for_a_failing_function(failing_function: Any) -> None:
    client, log, environment = failing_function

    def problem(method: str, path: str, **more: Any) -> tuple[int, str]:
        with client.open(path, method=method, **more) as answer:
            assert answer.content_type == "application/problem+json"
            assert answer.headers["access-control-allow-origin"] == "*"
            if method == "HEAD":
                return answer.status_code, ""
            document = answer.json
            assert document.get("status", answer.status_code) == answer.status_code
            assert document["request_id"] == answer.headers["x-amzn-requestid"]
            return answer.status_code, document["code"]

    png = {"content_type": "image/png"}
    assert problem("GET", "/health") == (504, "fetch-timeout")
    assert problem("GET", "/docs") == (502, "internal-error")
    assert problem("GET", "/openapi.json") == (502, "internal-error")
    assert problem("GET", "/nowhere") == (404, "not-found")
    assert problem("DELETE", "/predict") == (404, "not-found")
    assert problem("HEAD", "/predict") == (404, "")
    # 4.75 MB are more than Lambda's 6 MB in base64. API Gateway lets nobody change this answer.
    for size in (4_750_000, 10_500_000):
        with client.post("/predict", data=bytes(size), **png) as answer:
            assert (answer.status_code, answer.json) == (413, {"message": "Request Too Long"})
    with client.post("/predict", data=bytes(4_600_000), **png) as answer:
        assert answer.status_code == 200
    assert [each.status for each in log] == [504, 502, 502, 404, 404, 404, 413, 413, 200]
    assert [each.environment for each in log][-1] == 1

    # The next call starts an emulator that died again.
    environment._process.kill()
    environment._process.wait()
    with client.get("/") as one, client.get("/") as other:
        assert one.status_code == other.status_code == 200
        assert one.text != other.text


def test_bundle_without_manifest_is_read_completely(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "resnet-18-symbol.json").write_bytes(b"{}")
    (tmp_path / "resnet-18-0000.params").write_bytes(b"params")
    (tmp_path / "notes.txt").write_bytes(b"not of the bundle")
    old, files = models.read(tmp_path)
    assert old.manifest.version == "2017"
    assert set(files) == {"resnet-18-symbol.json", "resnet-18-0000.params"}
    assert set(models.read(bundle)[1]) == {path.name for path in bundle.iterdir()}
