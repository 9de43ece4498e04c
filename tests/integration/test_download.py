"""The guarded download against real servers on loopback that behave badly, and with real TLS."""

import datetime as dt
import gzip
import json
import os
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from timed_downloader import TimedDownloader

import classifier
from classifier.errors import FetchFailed, FetchTimeout, ImageTooLarge, RequestError
from classifier.net import tls

IMAGE = b"\xff\xd8\xff image"
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(IMAGE), IMAGE)
NAMES = {"images.example": "127.0.0.1", "other.example": "127.0.0.1"}
TIMEOUT_S = 0.5
# Bad peers go on for ten seconds: what ends before this was ended, however busy the machine is.
LATE_S = 5

type Behaviour = Callable[["Peer", socket.socket], None]


class Peer:
    """A server on loopback that does ``behaviour`` to each connection, in a thread of its own."""

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.closing = threading.Event()
        self.connections = 0
        self.requests: list[bytes] = []
        self.sent = 0
        self._behaviour = behaviour
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def url(self, scheme: str = "http", host: str = "images.example", path: str = "/") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def receive(self, connection: socket.socket) -> None:
        self.requests.append(connection.recv(65536))

    def send(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        self.sent += len(data)

    def close(self) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while not self.closing.is_set():
            with suppress(OSError):  # closed meanwhile
                connection, _ = self._listener.accept()
                self.connections += 1
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with suppress(OSError), connection:  # the downloader hangs up, as it should
            if self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                    self._behaviour(self, wrapped)
            else:
                self._behaviour(self, connection)


def answers(data: bytes) -> Behaviour:
    def behave(peer: Peer, connection: socket.socket) -> None:
        peer.receive(connection)
        peer.send(connection, data)

    return behave


def drips(data: bytes) -> Behaviour:
    """A byte every 20 ms: no single read takes long."""

    def behave(peer: Peer, connection: socket.socket) -> None:
        for byte in data:
            peer.send(connection, bytes([byte]))
            if peer.closing.wait(0.02):
                break

    return behave


def repeats(start: bytes, chunk: bytes) -> Behaviour:
    def behave(peer: Peer, connection: socket.socket) -> None:
        peer.receive(connection)
        peer.send(connection, start)
        while not peer.closing.is_set():
            peer.send(connection, chunk)

    return behave


def stalls(data: bytes) -> Behaviour:
    def behave(peer: Peer, connection: socket.socket) -> None:
        peer.receive(connection)
        peer.send(connection, data)
        peer.closing.wait(10)

    return behave


def resets(data: bytes) -> Behaviour:
    def behave(peer: Peer, connection: socket.socket) -> None:
        peer.receive(connection)
        peer.send(connection, data)
        time.sleep(0.05)  # so that what was sent gets there before the reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return behave


@contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    peer = Peer(behaviour, tls)
    try:
        yield peer
    finally:
        peer.close()


def downloader(*peers: Peer, timeout_s: float = 5, max_bytes: int = 1_000_000) -> TimedDownloader:
    """One that may reach ``peers`` by each of NAMES."""
    return TimedDownloader(
        allowed_hosts=frozenset(),
        private_hosts=frozenset((name, peer.port) for name in NAMES for peer in peers),
        max_bytes=max_bytes,
        timeout_s=timeout_s,
        resolve=lambda name: [NAMES[name]],
    )


def refusal(download: TimedDownloader, url: str) -> tuple[RequestError, float]:
    """The error of downloading ``url``, and how long it took, seconds."""
    start = time.monotonic()
    with pytest.raises(RequestError) as caught:
        download.get(url)
    return caught.value, time.monotonic() - start


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
A_CHUNK = b"3e8\r\n" + b"a" * 1000 + b"\r\n"
BOMB = HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(10_000_000))
LOOP = b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

FAULTS: dict[str, tuple[Behaviour, type[RequestError], str]] = {
    "stalls at once": (stalls(b""), FetchTimeout, "time allowed"),
    "stalls in the headers": (stalls(HEAD), FetchTimeout, "time allowed"),
    "stalls in the body": (stalls(OK[:-1]), FetchTimeout, "time allowed"),
    "drips headers": (drips(HEAD + b"X: " + b"a" * 500), FetchTimeout, "time allowed"),
    "drips a body": (drips(HEAD + b"\r\n" + b"a" * 500), FetchTimeout, "time allowed"),
    "resets at once": (resets(b""), FetchFailed, "broke the connection off"),
    "resets in the headers": (resets(HEAD), FetchFailed, "broke the connection off"),
    "resets in the body": (resets(OK[:-1]), FetchFailed, "broke the connection off"),
    "hangs up": (answers(b""), FetchFailed, "broke the connection off"),
    "body shorter than it says": (answers(OK[:-1]), FetchFailed, "broke the connection off"),
    "answers 500": (answers(b"HTTP/1.1 500 No\r\n\r\n"), FetchFailed, "status 500"),
    "endless body": (repeats(HEAD + b"\r\n", b"a" * 65536), ImageTooLarge, "larger than"),
    "endless chunks": (repeats(CHUNKED, A_CHUNK * 99), ImageTooLarge, "larger than"),
    "negative chunk": (repeats(CHUNKED + b"-1\r\n", b"a" * 65536), FetchFailed, "valid HTTP"),
    "endless trailers": (repeats(CHUNKED + b"0\r\n", b"X: y\r\n" * 999), FetchTimeout, "time"),
    "endless headers": (repeats(HEAD, b"X: y\r\n" * 999), FetchFailed, "valid HTTP"),
    "endless header": (repeats(HEAD, b"X" * 65536), FetchFailed, "valid HTTP"),
    "endless 100 Continue": (repeats(b"", CONTINUE * 999), FetchTimeout, "time allowed"),
    "gzip bomb": (answers(BOMB), FetchFailed, "compressed body"),
    "says it is too large": (
        answers(HEAD + b"Content-Length: 9999999999\r\n\r\n"), ImageTooLarge, "larger than"
    ),
    "redirect loop": (answers(LOOP), FetchFailed, "redirects more than 5 times"),
}  # fmt: skip


class TestFaults:
    """Each ends in its error, in time, and the next download is served."""

    @pytest.mark.parametrize(("behaviour", "error", "says"), FAULTS.values(), ids=FAULTS)
    def test_fault_ends_in_its_error_and_the_next_download_works(
        self, behaviour: Behaviour, error: type[RequestError], says: str
    ) -> None:
        with serving(behaviour) as bad, serving(answers(OK)) as good:
            download = downloader(bad, good, timeout_s=TIMEOUT_S)
            caught, seconds = refusal(download, bad.url())
            assert type(caught) is error
            assert says in str(caught)
            assert seconds < LATE_S
            if error is FetchTimeout:
                assert seconds >= TIMEOUT_S
            assert download.get(good.url()) == IMAGE

    def test_full_backlog_times_out(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        with listener, serving(answers(OK)) as good:
            fillers = [socket.socket() for _ in range(3)]
            for filler in fillers:  # the queue is full: further ones hang
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            port = listener.getsockname()[1]
            download = TimedDownloader(
                allowed_hosts=frozenset(),
                private_hosts=frozenset({("127.0.0.1", port), ("127.0.0.1", good.port)}),
                max_bytes=1000,
                timeout_s=TIMEOUT_S,
            )
            caught, seconds = refusal(download, f"http://127.0.0.1:{port}/")
            assert isinstance(caught, FetchTimeout)
            assert TIMEOUT_S * 0.95 <= seconds < LATE_S
            assert download.get(good.url(host="127.0.0.1")) == IMAGE
            for filler in fillers:
                filler.close()

    def test_memory_stays_bounded_for_an_endless_body(self) -> None:
        for start in (b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n"):
            with serving(repeats(HEAD + start, b"a" * 65536)) as peer:
                download = downloader(peer, max_bytes=1_000_000)
                tracemalloc.start()
                caught, _ = refusal(download, peer.url())
                _, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
            assert isinstance(caught, ImageTooLarge)
            assert peak < 5_000_000
            assert peer.sent < 20_000_000  # what the sockets hold, at most

    def test_an_earlier_deadline_counts(self) -> None:
        with serving(stalls(b"")) as peer:
            start = time.monotonic()
            with pytest.raises(FetchTimeout):
                downloader(peer, timeout_s=60).get(peer.url(), deadline=start + 0.2)
            assert 0.2 <= time.monotonic() - start < LATE_S

    def test_sixteen_downloads_run_side_by_side(self) -> None:
        with serving(stalls(b"")) as bad, serving(answers(OK)) as good:
            download = downloader(bad, good, timeout_s=TIMEOUT_S)
            start = time.monotonic()
            with ThreadPoolExecutor(16) as pool:
                stalled = [pool.submit(download.get, bad.url()) for _ in range(8)]
                served = [pool.submit(download.get, good.url()) for _ in range(8)]
            assert time.monotonic() - start < LATE_S
            assert [future.result() for future in served] == [IMAGE] * 8
            assert all(isinstance(future.exception(), FetchTimeout) for future in stalled)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestTls:
    @pytest.fixture(autouse=True)
    def trusted(
        self, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        tls.context.cache_clear()  # it was made with the certificates of another test
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))

    @staticmethod
    def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    def test_certificate_is_checked_for_the_name(self, authority: trustme.CA) -> None:
        asked_for: list[str | None] = []
        context = self.context(authority.issue_cert("images.example"))
        context.sni_callback = lambda _socket, name, _context: asked_for.append(name)
        with serving(answers(OK), context) as peer:
            download = downloader(peer)
            assert download.get(peer.url("https")) == IMAGE
            assert asked_for == ["images.example"]
            host = f"Host: images.example:{peer.port}\r\n".encode()
            assert host in peer.requests[0]
            caught, _ = refusal(download, peer.url("https", "other.example"))
            assert isinstance(caught, FetchFailed)
            assert "no valid certificate for its name" in str(caught)
            assert "example" not in str(caught)
            assert len(peer.requests) == 1  # nothing was asked of the wrong server

    def test_certificate_is_checked_for_a_literal_address(self, authority: trustme.CA) -> None:
        with serving(answers(OK), self.context(authority.issue_cert("127.0.0.1"))) as peer:
            download = TimedDownloader(
                allowed_hosts=frozenset(),
                private_hosts=frozenset({("127.0.0.1", peer.port)}),
                max_bytes=1000,
                timeout_s=5,
            )
            assert download.get(peer.url("https", "127.0.0.1")) == IMAGE

    def test_untrusted_authority_is_refused(self) -> None:
        stranger = trustme.CA().issue_cert("images.example")
        with serving(answers(OK), self.context(stranger)) as peer:
            caught, _ = refusal(downloader(peer), peer.url("https"))
            assert "no valid certificate" in str(caught)
            assert peer.requests == []

    def test_expired_certificate_is_refused(self, authority: trustme.CA) -> None:
        yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        expired = authority.issue_cert("images.example", not_after=yesterday)
        with serving(answers(OK), self.context(expired)) as peer:
            caught, _ = refusal(downloader(peer), peer.url("https"))
            assert "no valid certificate" in str(caught)
            assert peer.requests == []

    def test_server_without_tls_is_named(self) -> None:
        with serving(answers(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as peer:
            caught, _ = refusal(downloader(peer), peer.url("https"))
            assert isinstance(caught, FetchFailed)
            assert "does not speak TLS" in str(caught)

    @pytest.mark.parametrize(
        ("behaviour", "error"),
        [
            (stalls(b""), FetchTimeout),
            (drips(b"\x16\x03\x03\x40\x00" + bytes(500)), FetchTimeout),
            (resets(b""), FetchFailed),
        ],
        ids=["stalls", "drips", "resets"],
    )
    def test_hanging_handshake_times_out(
        self, behaviour: Behaviour, error: type[RequestError]
    ) -> None:
        with serving(behaviour) as peer:
            caught, seconds = refusal(downloader(peer, timeout_s=TIMEOUT_S), peer.url("https"))
            assert type(caught) is error
            assert seconds < LATE_S

    @pytest.mark.parametrize(
        "behaviour", [stalls(OK[:-1]), drips(HEAD + b"\r\n" + b"a" * 500)], ids=["stalls", "drips"]
    )
    def test_dripping_tls_body_times_out(self, behaviour: Behaviour, authority: trustme.CA) -> None:
        context = self.context(authority.issue_cert("images.example"))
        with serving(behaviour, context) as peer:
            caught, seconds = refusal(downloader(peer, timeout_s=TIMEOUT_S), peer.url("https"))
            assert isinstance(caught, FetchTimeout)
            assert seconds < LATE_S

    def test_redirects_keep_tls(self, authority: trustme.CA) -> None:
        context = self.context(authority.issue_cert(*NAMES))
        with serving(answers(OK)) as plain, serving(answers(OK), context) as last:
            to = {"up": last.url("https", "other.example"), "down": plain.url()}

            def redirects(peer: Peer, connection: socket.socket) -> None:
                peer.receive(connection)
                location = to[peer.requests[-1].split()[1].decode().strip("/")]
                peer.send(connection, f"HTTP/1.1 307 Go\r\nLocation: {location}\r\n\r\n".encode())

            with serving(redirects, context) as secure, serving(redirects) as insecure:
                download = downloader(plain, last, secure, insecure)
                assert download.get(secure.url("https", path="/up")) == IMAGE
                assert download.get(insecure.url(path="/up")) == IMAGE
                assert download.get(insecure.url(path="/down")) == IMAGE
                reached = plain.connections
                caught, _ = refusal(download, secure.url("https", path="/down"))
                assert isinstance(caught, FetchFailed)
                assert "from https to http" in str(caught)
                assert plain.connections == reached


def test_refused_and_unreachable_answer_alike() -> None:
    """A refused address, a name that leads to one, one that leads nowhere and a closed port."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        closed = held.getsockname()[1]

    def resolve(name: str) -> list[str]:
        if name == "nowhere.example":
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return ["127.0.0.1"]

    download = TimedDownloader(
        allowed_hosts=frozenset(),
        private_hosts=frozenset({("listed.example", closed)}),
        max_bytes=1000,
        timeout_s=5,
        resolve=resolve,
    )
    urls = [
        "http://127.0.0.1/",
        "http://refused.example/",
        "http://nowhere.example/",
        f"http://listed.example:{closed}/",
    ]
    timed = [[refusal(download, url) for url in urls] for _ in range(40)]  # side by side
    assert len({(type(error), str(error)) for row in timed for error, _ in row}) == 1
    medians = [
        statistics.median(seconds for _, seconds in column) for column in zip(*timed, strict=True)
    ]
    assert max(medians) - min(medians) < 0.005


@pytest.fixture(scope="module")
def isolated() -> dict[str, Any]:
    """What happens in a network namespace of its own (see isolated_network.py)."""
    unshare = ["unshare", "--map-root-user", "--net", "--mount"]
    try:
        subprocess.run([*unshare, "ip", "link", "set", "lo", "up"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine gives out no network namespaces: {error}")
    script = Path(__file__).with_name("isolated_network.py")
    done = subprocess.run(
        [*unshare, sys.executable, "-W", "error", str(script)],
        check=False, capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path(classifier.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


class TestIsolated:
    REACHED = ("http://public.example/", "http://rebind.example/")
    SILENT = "http://silent.example/"

    def test_reaches_the_public_server(self, isolated: dict[str, Any]) -> None:
        for url in self.REACHED:
            assert isolated["outcomes"][url] == "image"

    def test_does_not_wait_for_a_silent_name_server(self, isolated: dict[str, Any]) -> None:
        assert isolated["outcomes"][self.SILENT].startswith("FetchTimeout: ")

    def test_nothing_private_is_reached(self, isolated: dict[str, Any]) -> None:
        refused = isolated["outcomes"].keys() - {*self.REACHED, self.SILENT}
        assert len(refused) > 60
        for url in refused:
            outcome = isolated["outcomes"][url]
            assert outcome.startswith(("FetchFailed: The address could", "UrlNotAllowed: ")), url
        assert isolated["inside"] == []

    def test_unguarded_client_reaches_the_private_listeners(self, isolated: dict[str, Any]) -> None:
        """The silence means something: without the guard, each of those listeners answers."""
        assert isolated["unguarded"] == isolated["addresses"]
