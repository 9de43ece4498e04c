"""`make run`, as people start it: what it serves, what it says, and that nothing is left of it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
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
from tools.local.environment import Environment, _children, _is_running
from tools.local.gateway import Served, create_app
from tools.local.pool import Pool
from tools.local.s3 import LocalS3

ROOT = Path(__file__).parents[2]
RED = images.encode(images.plain((255, 0, 0)), "PNG")
PNG = {"content-type": "image/png"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Run:
    """One run of ``command``; its output is collected as it comes."""

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
        """The run's own process, and all below it."""
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [child for pid in new for child in _children(pid)]
        return found

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
def served(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    log = tmp_path_factory.mktemp("served") / "log"
    command = [sys.executable, "scripts/run.py"]
    settings = {"S3_READ_BUCKETS": "images", "MAX_IMAGE_PIXELS": "20000"}
    running = Run(log, command, MODEL=str(bundle), ENVIRONMENTS="2", **settings)
    running.wait_until_up()
    yield running
    running.end()


def test_a_image_is_classified(served: Run) -> None:
    answer = requests.post(f"{served.url}/predict", RED, headers=PNG, timeout=30)
    assert answer.status_code == 200
    labels = answer.json()["labels"]
    wanted = colors.expected((255, 0, 0))
    assert {each["label"]: each["probability"] for each in labels} == pytest.approx(
        wanted, abs=1e-5
    )


def test_requests_at_once_wait_their_turn(served: Run) -> None:
    def call(_number: int) -> int:
        return requests.post(f"{served.url}/predict", RED, headers=PNG, timeout=60).status_code

    with ThreadPoolExecutor(24) as threads:
        assert list(threads.map(call, range(96))) == [200] * 96
    used = set(re.findall(r"POST    /predict .* (env \d)", served.output))
    assert used == {"env 1", "env 2"}


def test_the_callers_settings_reach_the_function(served: Run) -> None:
    large = images.encode(images.plain((0, 0, 0), (201, 100)), "PNG")
    answer = requests.post(f"{served.url}/predict", large, headers=PNG, timeout=30)
    assert answer.status_code == 413


def test_images_put_into_the_stand_in_can_be_named(served: Run) -> None:
    address = re.search(r"S3 stand-in +(\S+),", served.output)
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
    answer = requests.get(f"{served.url}/predict", query, timeout=30)
    assert [label["label"] for label in answer.json()["labels"]] == ["red"]


def test_the_printed_curl_works_as_pasted(served: Run) -> None:
    printed = re.search(r"^  (curl .*)$", served.output, re.MULTILINE)
    assert printed
    answer = subprocess.run(
        ["bash", "-c", f"{printed[1]} -s"], cwd=ROOT, capture_output=True, check=True, timeout=30
    )
    assert set(json.loads(answer.stdout)) == {"model", "labels", "timing_ms", "cold_start"}


def test_the_log_has_a_line_a_request_and_no_query(served: Run) -> None:
    requests.get(f"{served.url}/predict", {"url": "ftp://secret.example/x"}, timeout=30)
    requests.get(f"{served.url}/nowhere%0a%1b[31m", timeout=30)
    lines = served.output.splitlines()
    line = re.compile(r"\d\d:\d\d:\d\d  [A-Z]+ +/\S* +\d{3} +[\d.]+ ms  (env \d|gateway)")
    start = next(number for number, text in enumerate(lines) if "curl" in text)
    told = [text for text in lines[start + 1 :] if text]
    assert told
    assert not [text for text in told if not line.fullmatch(text)]
    assert "secret" not in served.output
    assert "\x1b" not in served.output


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_all_that_was_started(
    run: Callable[..., Run], bundle: Path, name: str
) -> None:
    running = run(MODEL=str(bundle), ENVIRONMENTS="2")
    running.wait_until_up()
    started = running.processes()
    assert len(started) == 5  # itself, and twice an emulator with the function in it
    running.process.send_signal(getattr(signal, name))
    assert running.process.wait(20) == 0
    assert [pid for pid in started if _is_running(pid)] == []
    assert running.output.rstrip().endswith("Stopped.")
    assert "Traceback" not in running.output


def test_a_signal_to_make_alone_ends_it_too(run: Callable[..., Run], bundle: Path) -> None:
    make = ("make", "-o", ".venv/ready", "run")
    running = run(command=make, MODEL=str(bundle))
    running.wait_until_up()
    started = running.processes()
    running.process.send_signal(signal.SIGINT)
    running.process.wait(20)
    deadline = time.monotonic() + 10
    while any(map(_is_running, started)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in started if _is_running(pid)] == []
    assert "Traceback" not in running.output


def refused(run: Callable[..., Run], **variables: str) -> str:
    """The last line of a run that must not start, and must tell why in it alone."""
    running = run(**variables)
    assert running.process.wait(60) == 1
    assert "Traceback" not in running.output
    return running.output.splitlines()[-1]


@pytest.mark.parametrize("variable", ["PORT", "S3_PORT"])
def test_a_port_in_use_is_one_line(run: Callable[..., Run], bundle: Path, variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = refused(run, MODEL=str(bundle), **{variable: port})
    assert line.startswith(f"Error: {variable}={port}: Address already in use")


@pytest.mark.parametrize(
    ("variable", "value", "wanted"),
    [
        ("PORT", "many", "Error: Invalid value for '--port'"),
        ("ENVIRONMENTS", "0", "Error: Invalid value for '--environments'"),
        ("MODEL", "/nowhere/at/all", "Error: MODEL=/nowhere/at/all: there is no such folder"),
        ("MODEL", str(ROOT / "docs"), f"Error: {ROOT}/docs/manifest.json: no such file"),
        ("MODEL_URI", "s3://models/x", "Error: MODEL and MODEL_URI are both set"),
    ],
)
def test_a_wrong_value_is_one_line(bundle: Path, variable: str, value: str, wanted: str) -> None:
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
    assert process.stderr.startswith(wanted)
    assert len(process.stderr.splitlines()) == 1


def test_a_flipped_byte_is_one_line_that_names_the_file(
    run: Callable[..., Run], bundle: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(bundle, tmp_path / "broken")
    data = bytearray((broken / "colors-0000.params").read_bytes())
    data[-1] ^= 1
    (broken / "colors-0000.params").write_bytes(data)
    line = refused(run, MODEL=str(broken))
    assert line.startswith(f"Error: {broken}/colors-0000.params: its SHA-256")


def test_a_network_that_does_not_fit_its_labels_is_told_by_the_function(
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


def test_a_model_elsewhere_is_served_from_there(
    run: Callable[..., Run], bundle: Path, s3_server: LocalS3, s3: Any
) -> None:
    s3.create_bucket(Bucket="elsewhere")
    elsewhere = s3_server.variables | {"MODEL_URI": "s3://elsewhere/colors"}
    running = run(**elsewhere)
    running.wait_until_up()
    assert requests.get(f"{running.url}/health", timeout=30).status_code == 503
    reasons = [line for line in running.output.splitlines() if line.startswith("  ✗")]
    assert len(reasons) == 1
    assert "s3://elsewhere/colors/manifest.json" in reasons[0]
    for path in bundle.iterdir():
        s3.put_object(Bucket="elsewhere", Key=f"colors/{path.name}", Body=path.read_bytes())
    healthy = run(**elsewhere)
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
def misbehaving(emulator: Callable[..., Environment], tmp_path: Path) -> Any:
    """The template's API before a function that fails in every way; and what was logged."""
    (tmp_path / "failing.py").write_text(HANDLER)
    environment = emulator(code=tmp_path, handler="failing.handler", timeout_s=1)
    told: list[Served] = []
    stacks, _ = SamLocalStackProvider.get_stacks(str(ROOT / "template.yaml"))
    app = create_app(stacks[0], ROOT, Pool([environment]), told.append)
    return app.test_client(), told, environment


def test_the_gateway_answers_for_a_function_that_does_not(misbehaving: Any) -> None:
    client, told, environment = misbehaving

    def problem(method: str, path: str, **more: Any) -> tuple[int, str]:
        with client.open(path, method=method, **more) as answer:
            assert answer.content_type == "application/problem+json"
            assert answer.headers["access-control-allow-origin"] == "*"
            if method == "HEAD":
                return answer.status_code, ""
            document = answer.json
            assert document["status"] == answer.status_code
            assert document["request_id"] == answer.headers["x-amzn-requestid"]
            return answer.status_code, document["code"]

    png = {"content_type": "image/png"}
    assert problem("GET", "/health") == (504, "fetch-timeout")
    assert problem("GET", "/docs") == (500, "internal-error")
    assert problem("GET", "/openapi.json") == (500, "internal-error")
    assert problem("GET", "/nowhere") == (404, "not-found")
    assert problem("DELETE", "/predict") == (404, "not-found")
    assert problem("HEAD", "/") == (404, "")
    # Four and a half megabytes are six in base64, and Lambda takes no more.
    assert problem("POST", "/predict", data=bytes(4_750_000), **png) == (413, "image-too-large")
    assert problem("POST", "/predict", data=bytes(10_500_000), **png) == (413, "image-too-large")
    with client.post("/predict", data=bytes(4_600_000), **png) as answer:
        assert answer.status_code == 200
    assert [each.status for each in told] == [504, 500, 500, 404, 404, 404, 413, 413, 200]
    assert [each.environment for each in told][-1] == 1

    # An emulator that dies is replaced when the next call comes.
    environment._process.kill()
    environment._process.wait()
    with client.get("/") as one, client.get("/") as other:
        assert one.status_code == other.status_code == 200
        assert one.text != other.text


def test_a_bundle_without_a_manifest_is_read_whole(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "resnet-18-symbol.json").write_bytes(b"{}")
    (tmp_path / "resnet-18-0000.params").write_bytes(b"params")
    (tmp_path / "notes.txt").write_bytes(b"not of the bundle")
    found, files = models.read(tmp_path)
    assert found.manifest.version == "2017"
    assert set(files) == {"resnet-18-symbol.json", "resnet-18-0000.params"}
    assert set(models.read(bundle)[1]) == {path.name for path in bundle.iterdir()}


def only(folder: Path, programs: Mapping[str, str]) -> str:
    """A PATH with nothing on it but the shell's own needs and ``programs`` (name: script)."""
    folder.mkdir()
    for name in ("bash", "env", "dirname", "rm", "awk", "touch", "cat"):
        place = shutil.which(name)
        assert place
        (folder / name).symlink_to(place)
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def setup(tmp_path: Path, programs: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    (tmp_path / "project/scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path / "project/scripts")
    return subprocess.run(
        [tmp_path / "project/scripts/setup.sh"],
        env={"PATH": only(tmp_path / "bin", programs)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_setup_without_python_and_uv_says_how_to_get_either(tmp_path: Path) -> None:
    # A pyenv shim is there, and fails: the version is not installed.
    done = setup(tmp_path, {"python3.12": "echo 'pyenv: version not installed' >&2; exit 127"})
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("Python 3.12 is missing: install it")
    assert "uv" in done.stderr


def test_setup_takes_uv_where_python_is_too_old(tmp_path: Path) -> None:
    uv = 'echo "uv $*" >> ../calls; [ "$1" = venv ] && /bin/mkdir -p .venv; exit 0'
    done = setup(tmp_path, {"python3.12": "exit 1", "uv": uv})
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "uv venv --quiet --clear --seed --python 3.12 .venv"
    assert calls[-1].endswith("-r requirements-dev.txt")
    assert (tmp_path / "project/.venv/ready").exists()


def test_setup_that_fails_leaves_no_sign_of_success(tmp_path: Path) -> None:
    uv = '[ "$1" = venv ] && /bin/mkdir -p .venv && exit 0; [ "$1" = pip ] && exit 2; exit 0'
    done = setup(tmp_path, {"uv": uv})
    assert done.returncode == 2
    assert not (tmp_path / "project/.venv/ready").exists()
