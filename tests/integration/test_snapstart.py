"""SnapStart: what is done before the snapshot, what is new after it, and a start-up that fails."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import colors
import pytest

from tools.local.s3 import CREDENTIALS, LocalS3

SRC = str(Path(__file__).parents[2] / "src")
# Imports the function as the runtime does, then runs what the runtime would run.
PROGRAM = """
import json, sys
from types import SimpleNamespace
import app
import snapshot_restore_py as hooks

def ask(path, **query):
    event = {"httpMethod": "GET", "path": path, "queryStringParameters": query}
    context = SimpleNamespace(
        aws_request_id="1", get_remaining_time_in_millis=lambda: 30000, function_name="f",
        memory_limit_in_mb="1769", invoked_function_arn="arn", function_version="1",
    )
    response = app.lambda_handler(event, context)
    return response["statusCode"], json.loads(response["body"])

seen = {}
exec(sys.argv[1])
print(json.dumps(seen))
"""
HOOKS = """
for hook, *_ in hooks.get_before_snapshot(): hook()
seen["imported"] = [name for name in ("boto3", "ssl", "http.client") if name in sys.modules]
first = app.environment.service()
seen["before"] = ask("/predict", url="s3://images/red.png")
for hook, *_ in hooks.get_after_restore(): hook()
seen["after"] = ask("/predict", url="s3://images/red.png")
restored = app.environment.service()
seen["same model"] = restored.model is first.model
seen["same pipeline"] = restored.pipeline is first.pipeline
"""
KEPT = ("snap-start", "provisioned-concurrency")


def run(code: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, code],
        env={"PYTHONPATH": SRC, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def environment(s3_server: LocalS3, s3: Any, tmp_path: Path) -> dict[str, str]:
    """What Lambda would set, and a bundle and an image to go with it."""
    for bucket in ("models", "images"):
        s3.create_bucket(Bucket=bucket)
    for file in colors.write_bundle(tmp_path / "colors").iterdir():
        s3.upload_file(str(file), "models", f"colors/{file.name}")
    s3.put_object(Bucket="images", Key="red.png", Body=red())
    return s3_server.variables | {
        "MODEL_URI": "s3://models/colors",
        "S3_READ_BUCKETS": "images",
        "POWERTOOLS_METRICS_NAMESPACE": "Classifier",
    }


def red() -> bytes:
    import cv2
    import numpy as np

    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[..., 2] = 255
    return bytes(cv2.imencode(".png", pixels)[1])


class Vault(http.server.BaseHTTPRequestHandler):
    """Gives credentials, new ones each time, as the runtime's own endpoint does."""

    given = 0

    def do_GET(self) -> None:
        type(self).given += 1
        body = json.dumps(
            {
                "AccessKeyId": f"KEY{self.given}",
                "SecretAccessKey": "secret",
                "Token": "token",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def vault() -> Iterator[tuple[str, type[Vault]]]:
    handler = type("Fresh", (Vault,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_snapshot_holds_the_model_and_a_copy_gets_clients_and_credentials_of_its_own(
    environment: dict[str, str], vault: tuple[str, type[Vault]]
) -> None:
    url, handler = vault
    for name in CREDENTIALS:
        if "KEY" in name:
            del environment[name]
    done = run(
        HOOKS,
        environment
        | {
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["imported"] == ["boto3", "ssl", "http.client"]
    for when in ("before", "after"):
        status, body = seen[when]
        assert status == 200
        assert body["labels"][0]["label"] == "red"
    assert seen["same model"]
    assert not seen["same pipeline"]
    assert handler.given == 2  # for the bundle and its images, and for images after the restore


@pytest.mark.parametrize("kind", KEPT)
def test_a_start_up_that_fails_where_lambda_would_keep_it_fails_the_deploy(
    environment: dict[str, str], kind: str
) -> None:
    broken = {"MODEL_URI": "s3://models/none", "AWS_LAMBDA_INITIALIZATION_TYPE": kind}
    done = run("", environment | broken)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last == (
        "classifier.errors.StartupError: "
        "s3://models/none/manifest.json: no such file, or not readable"
    )


def test_a_start_up_that_fails_elsewhere_is_answered(environment: dict[str, str]) -> None:
    done = run("seen['health'] = ask('/health')", environment | {"MODEL_URI": "s3://models/none"})
    assert done.returncode == 0, done.stderr
    status, body = json.loads(done.stdout.splitlines()[-1])["health"]
    assert (status, body["code"]) == (503, "model-unavailable")


def test_no_snapshot_is_taken_without_a_model(environment: dict[str, str]) -> None:
    code = "for hook, *_ in hooks.get_before_snapshot(): hook()"
    done = run(code, environment | {"MODEL_URI": "s3://models/none"})
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith("classifier.errors.ModelUnavailable: ")
