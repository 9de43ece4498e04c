"""The golden events: what they need, and how a response is compared with the expected one.

``events/NAME.json`` is an event as API Gateway sends it; ``events/answers/NAME.json`` is the
expected status and body. In a body "*" stands for anything, and in a text for any part of it;
numbers may differ by 0.01. The events name the image server ``http://127.0.0.1:8000``, which a test
replaces with its own server's address, and the bucket ``images``.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import images
import pytest

EVENTS = Path(__file__).parents[1] / "events"
NAMES = sorted(path.stem for path in EVENTS.glob("*.json"))
PLACEHOLDER = "127.0.0.1:8000"

IMAGES = {
    "red.png": images.encode(images.plain((200, 30, 20)), "PNG"),
    "green.jpg": images.encode(images.plain((20, 180, 40)), "JPEG", quality=95),
    "blue.webp": images.encode(images.plain((30, 60, 220)), "WEBP", lossless=True),
}

# The function's settings for the expected responses; a test adds PRIVATE_URL_HOSTS, its server's.
SETTINGS = {"S3_READ_BUCKETS": "images", "MAX_IMAGE_BYTES": "1000000", "FETCH_TIMEOUT_S": "2"}


class _Images(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        if name in IMAGES:
            self._answer(200, IMAGES[name])
        elif name == "redirect":
            self._answer(302, b"", location="/red.png")
        elif name == "redirect-inside":
            self._answer(302, b"", location="http://127.0.0.1/red.png")
        elif name == "endless":
            self._endless()
        elif name == "slow":
            self._slow()
        else:
            self._answer(404, b"nothing")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(1000):
                self.wfile.write(bytes(100_000))
        except OSError:
            pass  # The client closes, as it should.
        self.close_connection = True

    def _slow(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        try:
            for _ in range(20):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.3)
        except OSError:
            pass
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@contextmanager
def image_server(host: str = "127.0.0.1") -> Iterator[str]:
    """Serve the images of the events; yields ``host:port``."""
    server = ThreadingHTTPServer((host, 0), _Images)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fill(s3: Any, bundle: Path, prefix: str) -> None:
    """Make the events' buckets in ``s3``: the images, and ``bundle`` below ``prefix``."""
    for bucket in ("models", "images"):
        s3.create_bucket(Bucket=bucket)
    for path in bundle.iterdir():
        s3.put_object(Bucket="models", Key=f"{prefix}/{path.name}", Body=path.read_bytes())
    for name, data in IMAGES.items():
        s3.put_object(Bucket="images", Key=name, Body=data)


def event(name: str, images_at: str) -> dict[str, Any]:
    """The event ``name``, with its images at ``images_at``, ``host:port``."""
    return json.loads(_replaced((EVENTS / f"{name}.json").read_text(), images_at))


def check(name: str, response: dict[str, Any]) -> None:
    """Compare ``response`` with the expected response to ``name``."""
    expected = json.loads((EVENTS / "answers" / f"{name}.json").read_text())
    assert response["statusCode"] == expected["statusCode"], response["body"]
    headers = response["headers"]
    assert headers["access-control-allow-origin"] == "*"
    if not response["body"]:
        assert expected["body"] == ""
        return
    kind = "application/json" if response["statusCode"] == 200 else "application/problem+json"
    assert headers["content-type"] == kind
    _compare(expected["body"], json.loads(response["body"]), "body")


def _replaced(text: str, images_at: str) -> str:
    return text.replace(PLACEHOLDER, images_at).replace(
        quote(PLACEHOLDER, safe=""), quote(images_at, safe="")
    )


def _compare(expected: Any, actual: Any, path: str) -> None:
    if expected == "*":
        return
    if isinstance(expected, dict):
        assert isinstance(actual, dict), path
        assert actual.keys() == expected.keys(), path
        for name, value in expected.items():
            _compare(value, actual[name], f"{path}.{name}")
    elif isinstance(expected, list):
        assert isinstance(actual, list), path
        assert len(actual) == len(expected), path
        for index, value in enumerate(expected):
            _compare(value, actual[index], f"{path}[{index}]")
    elif isinstance(expected, float):
        assert actual == pytest.approx(expected, abs=0.01), path
    elif isinstance(expected, str):
        assert fnmatchcase(actual, expected), f"{path}: {actual!r} is not {expected!r}"
    else:
        assert actual == expected, path
