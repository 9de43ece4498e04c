"""Reading from S3 over HTTP: from the stand-in, and from a server that misbehaves as told."""

import hashlib
import http.server
import itertools
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from classifier.errors import BundleError
from classifier.location import S3Object, S3Prefix
from classifier.model.bundle import S3Store, read_bundle
from classifier.net.deadline import Deadline
from classifier.net.pool import ConnectionPool
from classifier.s3 import signed as signed_module
from classifier.s3.boto import BotoClient
from classifier.s3.client import S3Client, make_client
from classifier.s3.errors import (
    ObjectDeleted,
    ObjectMissing,
    ObjectReplaced,
    ObjectTooLarge,
    S3Error,
    S3Timeout,
)
from classifier.s3.signed import SignedClient
from classifier.s3.sigv4 import Credentials
from tools.local.s3 import LocalS3

PART = 1000
WHOLE = os.urandom(3 * PART + 123)


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_module, "PART_BYTES", PART)
    monkeypatch.setattr(signed_module, "_BACKOFF_S", 0.01)


def soon(seconds: float = 10.0) -> Deadline:
    return Deadline.after(seconds)


@pytest.fixture(params=["signed", "boto3"])
def client(request: pytest.FixtureRequest, s3_server: LocalS3) -> S3Client:
    if request.param == "boto3":
        return BotoClient()
    signed_client = make_client(os.environ)
    assert isinstance(signed_client, SignedClient)
    return signed_client


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, len(WHOLE)])
@pytest.mark.parametrize("key", ["plain", "a/b c+é~'(1).bin"])
def test_object_of_any_size_is_read_whole(s3: Any, client: S3Client, size: int, key: str) -> None:
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key=key, Body=WHOLE[:size])
    arrived: list[bytes] = []
    whole = client.get(
        S3Object("models", key), soon(), update=lambda part: arrived.append(bytes(part))
    )
    assert whole == b"".join(arrived) == WHOLE[:size]


@pytest.mark.parametrize("size", [1, PART, len(WHOLE)])
def test_object_of_a_size_that_the_caller_knows_is_read_whole(
    s3: Any, client: S3Client, size: int
) -> None:
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="a", Body=WHOLE[:size])
    digest = hashlib.sha256()
    whole = client.get(S3Object("models", "a"), soon(), size=size, update=digest.update)
    assert whole == WHOLE[:size]
    assert digest.digest() == hashlib.sha256(whole).digest()


def test_an_object_that_is_empty_by_now_is_an_error(s3: Any, s3_server: LocalS3) -> None:
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="a", Body=b"")
    client = make_client(s3_server.variables)
    with pytest.raises(S3Error, match="it has 0 bytes, not 5"):
        client.get(S3Object("models", "a"), soon(), size=5)


def test_a_size_that_no_memory_holds_is_an_error(s3: Any, s3_server: LocalS3) -> None:
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="a", Body=WHOLE)
    client = make_client(s3_server.variables)
    with pytest.raises(S3Error, match="there is no memory for its"):
        client.get(S3Object("models", "a"), soon(), size=1 << 60)


@pytest.mark.parametrize("size", [0, 1, len(WHOLE)])
def test_object_is_read_only_while_it_has_the_etag(s3: Any, client: S3Client, size: int) -> None:
    s3.create_bucket(Bucket="models")
    etag = s3.put_object(Bucket="models", Key="a", Body=WHOLE[:size])["ETag"]
    assert client.get(S3Object("models", "a", etag), soon()) == WHOLE[:size]
    s3.put_object(Bucket="models", Key="a", Body=b"another")
    with pytest.raises(ObjectReplaced):
        client.get(S3Object("models", "a", etag), soon())
    s3.delete_object(Bucket="models", Key="a")
    with pytest.raises(ObjectDeleted):
        client.get(S3Object("models", "a", etag), soon())


def test_bucket_with_a_dot_is_read(s3: Any, client: S3Client) -> None:
    s3.create_bucket(Bucket="models.example.com")
    s3.put_object(Bucket="models.example.com", Key="a", Body=b"1")
    assert client.get(S3Object("models.example.com", "a"), soon()) == b"1"


def test_missing_object_and_bucket_are_errors(s3: Any, client: S3Client) -> None:
    s3.create_bucket(Bucket="models")
    with pytest.raises(ObjectMissing, match=r"^NoSuchKey$"):
        client.get(S3Object("models", "nothing"), soon())
    with pytest.raises(S3Error, match=r"^S3 answered NoSuchBucket$") as caught:
        client.get(S3Object("no-such-bucket", "nothing"), soon())
    assert not isinstance(caught.value, ObjectMissing)


def test_too_large_object_is_refused(s3: Any, client: S3Client) -> None:
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="a", Body=WHOLE)
    with pytest.raises(ObjectTooLarge):
        client.get(S3Object("models", "a"), soon(), max_bytes=len(WHOLE) - 1)
    assert client.get(S3Object("models", "a"), soon(), max_bytes=len(WHOLE)) == WHOLE


def test_boto3_read_obeys_the_deadline(s3: Any, s3_server: LocalS3) -> None:
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="a", Body=WHOLE)
    with pytest.raises(S3Timeout):
        BotoClient().get(S3Object("models", "a"), soon(-1))


type Answer = Callable[["Handler"], None]


@dataclass
class Server:
    """Serves WHOLE in ranges; ``answers`` come first, each to one request."""

    url: str
    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    etag: Iterator[str] = field(default_factory=lambda: itertools.repeat('"1"'))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: Server

    def do_GET(self) -> None:
        self.told.requests.append({name.lower(): text for name, text in self.headers.items()})
        self.told.connections.add(self.client_address)
        if self.told.answers:
            self.told.answers.pop(0)(self)
        else:
            self.whole()

    def whole(self, cut: int = 0) -> None:
        first, last = map(int, self.headers["range"].removeprefix("bytes=").split("-"))
        body = WHOLE[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{len(WHOLE)}")
        self.send_header("ETag", next(self.told.etag))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - cut])
        self.close_connection = bool(cut)

    def say(self, status: int, code: str = "", **headers: str) -> None:
        body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serve()


def serve(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    handler = type("Told", (Handler,), {})
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    scheme = "http"
    if context:
        scheme = "https"
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
    handler.told = Server(f"{scheme}://127.0.0.1:{httpd.server_address[1]}")
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield handler.told
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def signed(url: str, authorities: str = "") -> SignedClient:
    connections = ConnectionPool(authorities, silence_s=0.3)
    return SignedClient("eu-central-1", Credentials("a", "s", "t"), url, connections)


def test_a_large_object_is_read_in_parts_of_one_version(server: Server) -> None:
    assert signed(server.url).get(S3Object("b", "k"), soon()) == WHOLE
    ranges = [request["range"] for request in server.requests]
    assert ranges[0] == "bytes=0-999"
    assert sorted(ranges[1:]) == ["bytes=1000-1999", "bytes=2000-2999", "bytes=3000-3999"]
    assert [request.get("if-match") for request in server.requests] == [None, '"1"', '"1"', '"1"']
    assert all(request["x-amz-security-token"] == "t" for request in server.requests)


def test_connections_are_reused_and_closed_ones_replaced(server: Server) -> None:
    client = signed(server.url)
    for _ in range(5):
        client.get(S3Object("b", "k"), soon())
    assert len(server.connections) <= 4
    assert len(server.requests) == 20
    server.answers = [Handler.hang_up] * 4
    assert client.get(S3Object("b", "k"), soon()) == WHOLE


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    for _ in range(30):
        try:
            handler.wfile.write(b".")
            handler.wfile.flush()
        except OSError:
            break
        time.sleep(0.1)
    handler.close_connection = True


TRANSIENT: dict[str, Answer] = {
    "503": lambda handler: handler.say(503, "SlowDown"),
    "500": lambda handler: handler.say(500),
    "time-out of S3's": lambda handler: handler.say(400, "RequestTimeout"),
    "cut off": lambda handler: handler.whole(cut=10),
    "hung up": Handler.hang_up,
    "silent": lambda handler: time.sleep(0.6) or handler.hang_up(),
    "no HTTP": lambda handler: handler.wfile.write(b"SSH-2.0\r\n\r\n") and handler.hang_up(),
}


@pytest.mark.parametrize("what", TRANSIENT)
def test_transient_fault_is_retried(server: Server, what: str) -> None:
    server.answers = [TRANSIENT[what]] * 2
    assert signed(server.url).get(S3Object("b", "k"), soon()) == WHOLE


@pytest.mark.parametrize(
    ("what", "error", "said"),
    [
        ("503", S3Error, "^S3 answered SlowDown$"),
        ("500", S3Error, "^S3 answered status 500$"),
        ("cut off", S3Error, "^the connection failed: "),
        ("hung up", S3Error, "^the connection failed: "),
        ("silent", S3Timeout, "^nothing came for some seconds$"),
    ],
)
def test_lasting_fault_is_an_error(
    server: Server, what: str, error: type[S3Error], said: str
) -> None:
    server.answers = [TRANSIENT[what]] * 100
    with pytest.raises(error, match=said):
        signed(server.url).get(S3Object("b", "k"), soon())
    assert 4 <= len(server.requests) <= 4 * 4


REFUSED: dict[str, tuple[Answer, type[S3Error], str]] = {
    "region": (
        lambda handler: handler.say(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1"),
        S3Error,
        "^S3 answered PermanentRedirect: the bucket is in eu-west-1$",
    ),
    "redirect": (
        lambda handler: handler.say(307, "TemporaryRedirect", Location="http://127.0.0.1:1/"),
        S3Error,
        "^S3 answered TemporaryRedirect$",
    ),
    "denied": (lambda handler: handler.say(403, "AccessDenied"), ObjectMissing, "^AccessDenied$"),
    "keys": (
        lambda handler: handler.say(403, "SignatureDoesNotMatch"),
        S3Error,
        "^S3 answered SignatureDoesNotMatch$",
    ),
    "expired": (
        lambda handler: handler.say(400, "ExpiredToken"),
        S3Error,
        "^S3 answered ExpiredToken$",
    ),
    "no S3": (lambda handler: handler.say(404), S3Error, "^S3 answered status 404$"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_is_final(server: Server, what: str) -> None:
    answer, error, said = REFUSED[what]
    server.answers = [answer]
    with pytest.raises(error, match=said):
        signed(server.url).get(S3Object("b", "k"), soon())
    assert len(server.requests) == 1


def test_object_that_changes_while_it_is_read_is_an_error(server: Server) -> None:
    server.answers = [Handler.whole, lambda handler: handler.say(412, "PreconditionFailed")]
    with pytest.raises(S3Error, match="PreconditionFailed"):
        signed(server.url).get(S3Object("b", "k"), soon())


def test_server_without_ranges(server: Server) -> None:
    def all_of_it(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(WHOLE)))
        handler.end_headers()
        handler.wfile.write(WHOLE)

    server.answers = [all_of_it] * 8
    assert signed(server.url).get(S3Object("b", "k"), soon()) == WHOLE
    with pytest.raises(S3Error, match="not S3's"):
        signed(server.url).get(S3Object("b", "k"), soon(), size=len(WHOLE))


def test_parts_of_a_known_size_need_no_first_answer(server: Server) -> None:
    assert signed(server.url).get(S3Object("b", "k"), soon(), size=len(WHOLE)) == WHOLE
    ranges = sorted(request["range"] for request in server.requests)
    assert ranges == ["bytes=0-999", "bytes=1000-1999", "bytes=2000-2999", "bytes=3000-3999"]


@pytest.mark.parametrize("size", [0, 1, len(WHOLE) - 1, len(WHOLE) + 1, len(WHOLE) + PART])
def test_another_size_than_the_known_one_is_an_error(server: Server, size: int) -> None:
    with pytest.raises(S3Error):
        signed(server.url).get(S3Object("b", "k"), soon(), size=size)


def test_dripping_server_times_out(server: Server) -> None:
    server.answers = [drip] * 10
    before = time.monotonic()
    with pytest.raises(S3Timeout, match=r"^it did not arrive in time$"):
        signed(server.url).get(S3Object("b", "k"), soon(0.5))
    assert time.monotonic() - before < 2


def test_refused_connection_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(S3Error, match="Connection refused"):
            signed(url).get(S3Object("b", "k"), soon())


def test_passed_deadline_makes_no_request() -> None:
    with pytest.raises(S3Timeout):
        signed("http://127.0.0.1:1").get(S3Object("b", "k"), soon(-1))


def test_tls_trusts_the_configured_authorities_alone(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    for server in serve(context):
        client = signed(server.url, str(trusted))
        assert client.get(S3Object("b", "k"), soon()) == WHOLE
        with pytest.raises(S3Error, match="CERTIFICATE_VERIFY_FAILED"):
            signed(server.url).get(S3Object("b", "k"), soon())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (REFUSED["region"][0], "S3 answered PermanentRedirect: the bucket is in eu-west-1"),
        (TRANSIENT["503"], "S3 answered SlowDown"),
        (TRANSIENT["hung up"], "the connection failed"),
        (REFUSED["denied"][0], "no such file, or not readable"),
    ],
)
def test_a_bundle_that_cannot_be_read_names_its_file(
    server: Server, answer: Answer, said: str
) -> None:
    server.answers = [answer] * 100
    store = S3Store(S3Prefix("b", "m"), signed(server.url), soon())
    with pytest.raises(BundleError, match=rf"^s3://b/m/manifest\.json: {said}"):
        read_bundle(store)


def test_a_bundle_that_takes_too_long_names_its_file(server: Server) -> None:
    server.answers = [drip] * 100
    store = S3Store(S3Prefix("b", "m"), signed(server.url), soon(0.5))
    with pytest.raises(BundleError, match=r"^s3://b/m/manifest\.json: it did not arrive in time"):
        read_bundle(store)
