"""The function in this process, against S3's protocol over HTTP: start-up, answers, log."""

import gc
import importlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import colors
import golden_events
import pytest

from tools.local.s3 import LocalS3


class Context:
    """What the runtime tells a function of the request at hand."""

    aws_request_id = "8f5f6a3e-0000-4000-8000-000000000001"

    def __init__(self, left_s: float = 30.0) -> None:
        self.left_s = left_s

    def get_remaining_time_in_millis(self) -> int:
        return int(self.left_s * 1000)


@pytest.fixture(scope="module")
def images_at() -> Iterator[str]:
    with golden_events.image_server() as address:
        yield address


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return colors.write_bundle(tmp_path_factory.mktemp("bundle") / "colors")


@pytest.fixture(scope="module")
def start(s3_server: LocalS3, folder: Path, images_at: str) -> Iterator[Callable[..., ModuleType]]:
    """Starts the function as Lambda would: imports it anew under the given settings."""
    s3 = s3_server.client()
    for bucket in ("models", "images"):
        s3.create_bucket(Bucket=bucket)
    for name, data in golden_events.IMAGES.items():
        s3.put_object(Bucket="images", Key=name, Body=data)
    upload(folder, "colors")
    patch = pytest.MonkeyPatch()

    def start(**settings: str) -> ModuleType:
        default = {"MODEL_URI": "s3://models/colors", "PRIVATE_URL_HOSTS": images_at}
        for name, value in (golden_events.SETTINGS | default | settings).items():
            patch.setenv(name, value)
        sys.modules.pop("app", None)
        return importlib.import_module("app")

    yield start
    patch.undo()
    sys.modules.pop("app", None)


def upload(folder: Path, prefix: str) -> None:
    s3 = boto3.client("s3")
    for path in folder.iterdir():
        s3.put_object(Bucket="models", Key=f"{prefix}/{path.name}", Body=path.read_bytes())


@pytest.fixture(scope="module")
def app(start: Callable[..., ModuleType]) -> ModuleType:
    return start()


@pytest.mark.parametrize("name", golden_events.NAMES)
def test_every_event_gets_its_answer(app: ModuleType, name: str, images_at: str) -> None:
    golden_events.check(name, app.lambda_handler(golden_events.event(name, images_at), Context()))


def test_there_is_an_event_for_every_code() -> None:
    from classifier.errors import InternalError, ModelUnavailable, RequestError

    answers = [
        (golden_events.EVENTS / "answers" / f"{name}.json").read_text()
        for name in golden_events.NAMES
    ]
    # These two do not depend on the event: see the tests of start-up, and of a bug, below.
    codes = {kind.code for kind in RequestError.__subclasses__()}
    codes -= {InternalError.code, ModelUnavailable.code}
    assert all(any(f'"{code}"' in answer for answer in answers) for code in codes)


def ask(app: ModuleType, name: str, images_at: str, left_s: float = 30.0) -> dict[str, Any]:
    return app.lambda_handler(golden_events.event(name, images_at), Context(left_s))


def test_only_the_first_answer_is_a_cold_start(
    start: Callable[..., ModuleType], images_at: str
) -> None:
    app = start()
    answers = [json.loads(ask(app, "post-png", images_at)["body"]) for _ in range(4)]
    assert [answer["cold_start"] for answer in answers] == [True, False, False, False]
    assert all(answer["labels"] == answers[0]["labels"] for answer in answers)


def log(capsys: pytest.CaptureFixture[str]) -> tuple[list[Any], list[Any]]:
    """The log's lines and the metrics records that were printed."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return (
        [line for line in lines if "_aws" not in line],
        [line for line in lines if "_aws" in line],
    )


def test_a_request_is_one_line_and_one_record(
    app: ModuleType, images_at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    ask(app, "post-images-one-broken", images_at)
    (line,), (record,) = log(capsys)
    assert line["message"] == "request"
    assert line["path"] == "/predict"
    assert line["status"] == 200
    assert line["code"] == "ok"
    assert line["sources"] == ["base64", "url"]
    assert line["images"] == 5
    assert line["refused"] == ["undecodable-image", "invalid-request", "fetch-failed"]
    assert line["bytes"] > 100
    assert line["model"] == "colors"
    assert line["version"] == "1"
    assert line["function_version"]  # alarms of a deployment count by it
    assert line["timing_ms"].keys() == {"fetch", "decode", "inference", "total"}
    assert record["model"] == "colors"
    assert record["outcome"] == "ok"
    assert record["Inference"][0] >= 0
    ask(app, "refused-bucket", images_at)
    (line,), (record,) = log(capsys)
    assert (line["status"], line["code"], record["outcome"]) == (403, *["url-not-allowed"] * 2)


@pytest.mark.parametrize("name", golden_events.NAMES)
def test_no_address_body_or_image_is_logged(
    app: ModuleType, name: str, images_at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    event = golden_events.event(name, images_at)
    app.lambda_handler(event, Context())
    printed = "".join(capsys.readouterr())
    assert "://" not in printed
    assert images_at not in printed
    body = event.get("body") or ""
    secrets = [event.get("rawQueryString"), "red.png", "password", body if len(body) > 1 else ""]
    assert not any(secret and secret in printed for secret in secrets)


def test_a_bug_is_a_500_with_a_number_and_a_trace_in_the_log(
    app: ModuleType,
    images_at: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(app.environment.service().model, "classify", broken)
        response = ask(app, "post-png", images_at)
    body = json.loads(response["body"])
    assert (response["statusCode"], body["code"]) == (500, "internal-error")
    assert body["request_id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert "secret" not in response["body"]
    trace, _line = log(capsys)[0]
    assert "ZeroDivisionError: a secret of the inside" in trace["exception"]
    assert trace["request_id"] == body["request_id"]
    assert ask(app, "post-png", images_at)["statusCode"] == 200


def test_a_download_leaves_time_for_the_answer(app: ModuleType, images_at: str) -> None:
    started = time.monotonic()
    response = ask(app, "failed-too-slow", images_at, left_s=app.RESERVE_S + 0.5)
    assert json.loads(response["body"])["code"] == "fetch-timeout"
    assert time.monotonic() - started < 2  # FETCH_TIMEOUT_S
    response = ask(app, "get-url", images_at, left_s=0.1)
    assert json.loads(response["body"])["code"] == "fetch-timeout"


def damage(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)


def rewrite(folder: Path, change: Callable[[Any], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "manifest.json"),
    "no symbol": (lambda f: (f / "colors-symbol.json").unlink(), "colors-symbol.json"),
    "no params": (lambda f: (f / "colors-0000.params").unlink(), "colors-0000.params"),
    "no labels": (lambda f: (f / "synset.txt").unlink(), "synset.txt"),
    "a flipped bit": (lambda f: damage(f, "colors-0000.params"), "colors-0000.params"),
    "cut off": (lambda f: (f / "colors-0000.params").write_bytes(b"x"), "colors-0000.params"),
    "other params": (
        lambda f: rewrite(f, lambda m: m["files"]["params"].update(key="none.params")),
        "none.params",
    ),
    "two labels": (
        lambda f: (
            (f / "synset.txt").write_text("a\nb\n"),
            rewrite(f, lambda m: m["files"].update(labels=colors.describe(f, "synset.txt"))),
        ),
        "synset.txt",
    ),
}


@pytest.mark.parametrize(("break_it", "file"), BROKEN.values(), ids=BROKEN)
def test_a_broken_bundle_is_one_line_that_names_the_file_and_503(
    start: Callable[..., ModuleType],
    folder: Path,
    tmp_path: Path,
    images_at: str,
    capsys: pytest.CaptureFixture[str],
    break_it: Callable[[Path], object],
    file: str,
) -> None:
    prefix = f"broken/{tmp_path.name}"
    bad = shutil.copytree(folder, tmp_path / "bad")
    break_it(bad)
    upload(bad, prefix)
    capsys.readouterr()
    app = start(MODEL_URI=f"s3://models/{prefix}")
    (line,), _ = log(capsys)
    assert line["level"] == "CRITICAL"
    assert file in line["message"]
    for name in ("health", "post-png"):
        response = ask(app, name, images_at)
        assert response["statusCode"] == 503
        assert json.loads(response["body"])["code"] == "model-unavailable"
        assert file not in response["body"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"MODEL_URI": ""}, "MODEL_URI is not set"),
        ({"MODEL_URI": "resnet-18"}, "MODEL_URI='resnet-18'"),
        ({"MODEL_URI": "s3://nobodys-bucket/colors"}, "s3://nobodys-bucket/colors/manifest.json"),
        ({"MAX_IMAGE_BYTES": "many"}, "MAX_IMAGE_BYTES='many'"),
    ],
    ids=str,
)
def test_wrong_settings_are_one_line_that_names_them(
    start: Callable[..., ModuleType],
    images_at: str,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    said: str,
) -> None:
    capsys.readouterr()
    app = start(**settings)
    (line,), _ = log(capsys)
    assert line["message"].startswith(said)
    assert ask(app, "health", images_at)["statusCode"] == 503


def test_an_environment_heals_when_s3_does(
    start: Callable[..., ModuleType],
    folder: Path,
    images_at: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = start(MODEL_URI="s3://models/late")
    assert ask(app, "post-png", images_at)["statusCode"] == 503
    upload(folder, "late")
    assert ask(app, "post-png", images_at)["statusCode"] == 503  # it is not tried at once
    monkeypatch.setattr(app.environment, "_retry_at", time.monotonic())
    golden_events.check("post-png", ask(app, "post-png", images_at))


def test_what_a_start_makes_is_left_out_of_collections(start: Callable[..., ModuleType]) -> None:
    gc.unfreeze()
    start(MODEL_URI="s3://models/no-such-bundle")
    assert gc.get_freeze_count() == 0  # what a failure holds has to be freed
    assert gc.isenabled()
    start()
    assert gc.get_freeze_count() > 10_000
    assert gc.isenabled()
    gc.unfreeze()
