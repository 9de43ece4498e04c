"""The built function in Docker, through `sam local`, with every golden event.

Needs the runtime's image, and SAM_LOCAL_HOST: this machine's address as Docker's containers see it,
172.17.0.1 by default.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import colors
import golden_events
import images
import pytest
import requests
import sam_build

from tools.local.ports import free_port

HOST = os.environ.get("SAM_LOCAL_HOST", "")
ROOT = Path(__file__).parents[2]
START_S = 120

# `sam local invoke` makes a container for each event, which takes ten seconds and more. One warm
# container gets all of them.
INVOKED = ("get-url", "post-jpeg", "post-images-one-broken")

pytestmark = pytest.mark.skipif(not HOST, reason="SAM_LOCAL_HOST names no address")

PUT = """
import sys
from pathlib import Path
import boto3
s3 = boto3.client("s3")
s3.create_bucket(Bucket="images")
for path in Path(sys.argv[1]).iterdir():
    s3.upload_file(str(path), "images", path.name)
"""


@pytest.fixture(scope="module")
def images_at() -> Iterator[str]:
    with golden_events.image_server(HOST) as address:
        yield address


@pytest.fixture(scope="module")
def sam_local(images_at: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The start of every command line; a local S3 holds the model and the images."""
    folder = tmp_path_factory.mktemp("local")
    bundle = colors.write_bundle(folder / "colors")
    settings = golden_events.SETTINGS | {"PRIVATE_URL_HOSTS": images_at}
    server = subprocess.Popen(
        [sys.executable, "scripts/check_sam_local.py", str(bundle), "--host", HOST],
        cwd=ROOT, env={**os.environ, **settings}, text=True,
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert server.stdout
        lines = [server.stdout.readline().strip() for _ in range(3)]
        assert lines[2].startswith("sam local start-api"), lines
        files = lines[2].split()[3:]
        values = json.loads((ROOT / files[-1]).read_text())["Parameters"]
        (folder / "images").mkdir()
        for name, data in golden_events.IMAGES.items():
            (folder / "images" / name).write_bytes(data)
        # In a process of its own: the process of the tests must not leave the loopback interface.
        credentials = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        place = {"AWS_ENDPOINT_URL_S3": values["AWS_ENDPOINT_URL_S3"], "AWS_REGION": "us-east-1"}
        subprocess.run(
            [sys.executable, "-c", PUT, str(folder / "images")],
            env={**os.environ, **credentials, **place}, check=True,
        )  # fmt: skip
        more = ["--skip-pull-image", "--parameter-overrides", f"MemorySize={sam_build.MEMORY_MB}"]
        yield [*files, *more]
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)


def sam(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "samcli", "local", *arguments]


@pytest.mark.parametrize("name", INVOKED)
def test_invoke_gives_an_event_its_response(
    sam_local: list[str], images_at: str, tmp_path: Path, name: str
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps(golden_events.event(name, images_at)))
    done = subprocess.run(
        sam("invoke", "ClassifyFunction", "--event", str(event), *sam_local),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    golden_events.check(name, json.loads(done.stdout.strip().splitlines()[-1]))


@contextmanager
def serving(command: str, log: Path, options: list[str]) -> Iterator[str]:
    """The address of `sam local start-api` or `start-lambda`, with one warm container."""
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            sam(command, "--port", str(port), "--warm-containers", "EAGER", *options),
            cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        give_up = time.monotonic() + START_S
        while f"Running on http://127.0.0.1:{port}" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_warm_function_gives_every_golden_event_its_response(
    sam_local: list[str], images_at: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    with serving("start-lambda", tmp_path / "log", sam_local) as address:
        invocations = f"{address}/2015-03-31/functions/ClassifyFunction/invocations"
        for name in golden_events.NAMES:
            with subtests.test(name):
                event = golden_events.event(name, images_at)
                golden_events.check(name, requests.post(invocations, json=event, timeout=60).json())


@pytest.fixture(scope="module")
def api(sam_local: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `sam local start-api`."""
    with serving("start-api", tmp_path_factory.mktemp("api") / "log", sam_local) as address:
        yield address


def test_start_api_serves_the_api(api: str, images_at: str) -> None:
    health = requests.get(f"{api}/health", timeout=60)
    assert (health.status_code, health.json()["model"]["name"]) == (200, "colors")
    green = images.encode(images.plain((20, 180, 40)), "JPEG", quality=95)
    posts = [
        {"json": {"url": f"http://{images_at}/green.jpg"}},
        {"json": {"image": base64.b64encode(green).decode()}},
        {"data": green, "headers": {"content-type": "image/jpeg"}},
    ]
    answers = [requests.post(f"{api}/predict", timeout=60, **post) for post in posts]
    answers.append(
        requests.get(
            f"{api}/predict", {"url": f"http://{images_at}/green.jpg", "top_k": 1}, timeout=60
        )
    )
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.json()["labels"][0]["label"] for answer in answers] == ["green"] * 4
    refused = requests.get(f"{api}/predict", {"url": "ftp://example.com/a.png"}, timeout=60)
    assert (refused.status_code, refused.json()["code"]) == (403, "url-not-allowed")
