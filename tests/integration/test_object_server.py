"""The benchmarks' server of objects: as S3's, at S3's pace, and never silently wrong."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from tools.bench.object_server import Pace, object_server
from tools.errors import ToolError
from tools.local.s3 import CREDENTIALS

DATA = b"0123456789"
SLOW = Pace(first_byte_s=0.2, bytes_s=1e6)


@pytest.fixture
def url() -> Iterator[str]:
    """The address of an object of ten bytes."""
    with object_server({"/b/k": DATA}) as server:
        yield f"{server}/b/k"


def test_objects_are_served_whole(url: str) -> None:
    response = requests.get(url, timeout=10)
    assert (response.status_code, response.content) == (200, DATA)


@pytest.mark.parametrize(
    ("bytes_range", "content", "content_range"),
    [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=0-", DATA, "bytes 0-9/10"),
    ],
)
def test_objects_are_served_in_parts(
    url: str, bytes_range: str, content: bytes, content_range: str
) -> None:
    response = requests.get(url, headers={"range": bytes_range}, timeout=10)
    assert (response.status_code, response.content) == (206, content)
    assert response.headers["content-range"] == content_range


def test_head_has_what_a_download_asks_for(url: str) -> None:
    response = requests.head(url, timeout=10)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == "10"
    assert {"etag", "last-modified"} <= {name.lower() for name in response.headers}


def test_boto3_downloads_in_parts(tmp_path: Path) -> None:
    data = bytes(range(256)) * 100_000  # more than the 8 MB that boto3 takes at once
    with object_server({"/b/k": data}) as url:
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        client.download_file("b", "k", str(tmp_path / "k"))
    assert (tmp_path / "k").read_bytes() == data


def test_pace_is_kept_by_each_connection() -> None:
    def seconds(url: str) -> float:
        start = time.monotonic()
        assert len(requests.get(f"{url}/b/k", timeout=10).content) == 600_000
        return time.monotonic() - start

    with object_server({"/b/k": bytes(600_000)}, SLOW) as url, ThreadPoolExecutor(3) as threads:
        together = list(threads.map(seconds, [url] * 3))
    assert all(0.8 <= each < 1.6 for each in together)
    with object_server({"/b/k": bytes(600_000)}) as url:
        assert seconds(url) < 0.2


def test_first_byte_of_a_head_comes_at_the_pace() -> None:
    with object_server({"/b/k": DATA}, SLOW) as url:
        start = time.monotonic()
        requests.head(f"{url}/b/k", timeout=10)
        assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(
    ("method", "path", "bytes_range", "status", "message"),
    [
        ("GET", "/b/none", None, 404, "no object /b/none"),
        ("HEAD", "/b/none", None, 404, "no object /b/none"),
        ("GET", "/b/k", "bytes=10-", 416, "not a range of /b/k: bytes=10-"),
        ("GET", "/b/k", "bytes=-3", 416, "not a range"),
        ("PUT", "/b/k", None, 501, "PUT"),
    ],
)
def test_what_cannot_be_answered_is_an_error_at_the_end(
    method: str, path: str, bytes_range: str | None, status: int, message: str
) -> None:
    headers = {"range": bytes_range} if bytes_range else {}
    statuses = []

    def serve() -> None:
        with object_server({"/b/k": DATA}) as url:
            response = requests.request(method, url + path, headers=headers, timeout=10)
            statuses.append(response.status_code)

    with pytest.raises(ToolError, match=message):
        serve()
    assert statuses == [status]


def test_failure_of_the_server_itself_is_an_error_at_the_end() -> None:
    broken: Any = {"/b/k": "not bytes"}
    with (
        pytest.raises(ToolError, match="TypeError"),
        object_server(broken) as url,
        pytest.raises(requests.ConnectionError),
    ):
        requests.get(f"{url}/b/k", timeout=10)


def test_client_that_leaves_is_no_error() -> None:
    with object_server({"/b/k": bytes(50_000_000)}, Pace(0, 50e6)) as url:
        with requests.get(f"{url}/b/k", stream=True, timeout=10) as response:
            response.raw.read(1000)
        time.sleep(0.2)
