"""Every source that can fail, played by a server on this machine."""

import hashlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import colors
import pytest

from classifier.image.preprocessing import Preprocessing
from classifier.model.bundle import Folder, read_bundle
from tools.errors import ToolError
from tools.model import cli as tool
from tools.model.draft import NewBundle, read_file
from tools.model.fetch import SOURCES, NoSourceError, Source, fetch, mirrored
from tools.model.transfer import Transfer

ROOT = Path(__file__).parents[2]
ZOO = "resnet-18-symbol.json", "resnet-18-0000.params"
CONTENT = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class Site:
    """A server's files, and how it misbehaves.

    cuts: after how many bytes the next answers break off. resumes: whether it knows Range.
    silent: paths that are never answered. drips: paths that come a byte at a time.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    resumes: bool = True
    silent: set[str] = field(default_factory=set)
    drips: set[str] = field(default_factory=set)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, wanted = self.site, self.headers["Range"]
        site.requests.append((self.path, wanted))
        if self.path in site.silent:
            site.over.wait(20)
            return
        status = site.statuses.get(self.path, 200 if self.path in site.files else 404)
        if status != 200:
            self.send_error(status)
            return
        content = site.files[self.path]
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        if not site.resumes or self.headers.get("If-Range", etag) != etag:
            start = 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", etag)
        self.end_headers()
        if self.path in site.drips:
            for byte in content:
                if site.over.wait(0.05):
                    return
                self.wfile.write(bytes([byte]))
        self.wfile.write(content[start:][: site.cuts.pop(0) if site.cuts else None])

    def log_message(self, *_: object) -> None:
        """Nothing: what was asked for is in ``requests``."""


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": found}))
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    found.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed() -> Iterator[str]:
    """The address of a port that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def transfer(site: Site, part: Path, *, silence_s: float = 5) -> Transfer:
    return Transfer(f"{site.url}/f", part, lambda *_: None, silence_s=silence_s, pause_s=0.01)


def test_a_file_arrives_and_its_progress_is_told(site: Site, tmp_path: Path) -> None:
    site.files["/f"] = CONTENT
    told: list[tuple[int, int | None]] = []
    run = Transfer(f"{site.url}/f", tmp_path / "part", lambda *here: told.append(here)).run
    assert run() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [here for here, _ in told] == sorted({here for here, _ in told})


def test_what_breaks_off_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.files["/f"], site.cuts = CONTENT, [len(CONTENT) // 2, 1000]
    assert transfer(site, tmp_path / "part").run() == CONTENT
    assert [wanted for _, wanted in site.requests] == [
        None,
        f"bytes={len(CONTENT) // 2}-",
        f"bytes={len(CONTENT) // 2 + 1000}-",
    ]


def test_an_earlier_runs_half_is_taken_over(site: Site, tmp_path: Path) -> None:
    site.files["/f"] = CONTENT
    (tmp_path / "part").write_bytes(CONTENT[:1000])
    assert transfer(site, tmp_path / "part").run() == CONTENT
    assert site.requests == [("/f", "bytes=1000-")]


def test_an_earlier_runs_whole_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    site.files["/f"] = CONTENT
    (tmp_path / "part").write_bytes(CONTENT)
    assert transfer(site, tmp_path / "part").run() == CONTENT
    assert site.requests == [("/f", f"bytes={len(CONTENT)}-")]


def test_more_than_there_is_begins_again(site: Site, tmp_path: Path) -> None:
    site.files["/f"] = CONTENT
    (tmp_path / "part").write_bytes(CONTENT + b"!")
    assert transfer(site, tmp_path / "part").run() == CONTENT
    assert site.requests[-1] == ("/f", None)


def test_a_server_that_cannot_resume_sends_it_all_again(site: Site, tmp_path: Path) -> None:
    site.files["/f"], site.cuts, site.resumes = CONTENT, [1000], False
    assert transfer(site, tmp_path / "part").run() == CONTENT


def test_halves_of_two_files_are_not_joined(site: Site, tmp_path: Path) -> None:
    """The file is replaced on the server while its first half is on its way."""
    site.files["/f"], site.cuts = CONTENT, [1000]

    def replace(here: int, _total: int | None) -> None:
        site.files["/f"] = b"new" * 1000

    url = f"{site.url}/f"
    assert Transfer(url, tmp_path / "part", replace, pause_s=0.01).run() == b"new" * 1000


def test_one_that_always_breaks_off_is_given_up(site: Site, tmp_path: Path) -> None:
    site.files["/f"], site.cuts = CONTENT, [1000] + [0] * 10
    with pytest.raises(ToolError, match="broke off after 1,000 bytes"):
        transfer(site, tmp_path / "part").run()
    assert (tmp_path / "part").read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusal_is_told_and_not_tried_again(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses["/f"] = status
    with pytest.raises(ToolError, match=f"HTTP status {status}"):
        transfer(site, tmp_path / "part").run()
    assert len(site.requests) == 1


@pytest.mark.parametrize("kind", ["silent", "drips"])
def test_one_that_stalls_is_given_up(site: Site, tmp_path: Path, kind: str) -> None:
    site.files["/f"] = CONTENT
    getattr(site, kind).add("/f")
    started = time.monotonic()
    with pytest.raises(ToolError, match="silent for too long" if kind == "silent" else "too slow"):
        transfer(site, tmp_path / "part", silence_s=0.5).run()
    assert time.monotonic() - started < 3


def test_one_that_cannot_be_reached(closed: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be reached: Connection refused"):
        Transfer(closed, tmp_path / "part", lambda *_: None).run()


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return colors.write_bundle(tmp_path / "colors")


def source(title: str, base: str, network: Path, *, content: bytes | None) -> Source:
    """A source of the ``network``; the file is right where it is ``content``."""

    def draft(files: list[bytes]) -> NewBundle:
        if files[0] != content:
            raise ToolError("wrong checksum: it is another")
        return NewBundle(
            name="colors",
            preprocessing=Preprocessing(**{**colors.INPUT, "mean": (0.5,) * 3, "std": (0.5,) * 3}),
            probabilities=False,
            source="unset",
            symbol=read_file(network / "colors-symbol.json"),
            params=read_file(network / "colors-0000.params"),
            labels=read_file(network / "synset.txt"),
        )

    return Source(title, base, (f"{title}.bin",), "checked by eye", draft)


Start = Callable[[str], Callable[[int, int | None], None]]


def start(_url: str) -> Callable[[int, int | None], None]:
    return lambda *_: None


def test_sources_are_tried_in_turn(site: Site, closed: str, network: Path, tmp_path: Path) -> None:
    site.files = {"/altered.bin": CONTENT[::-1], "/good.bin": CONTENT, "/spare.bin": CONTENT}
    site.cuts = [len(CONTENT), 500_000]  # altered comes whole, good does not
    bases = {"unreachable": closed, "missing": site.url, "altered": site.url,
             "good": site.url, "spare": site.url}  # fmt: skip
    sources = [source(title, base, network, content=CONTENT) for title, base in bases.items()]
    made = fetch(sources, tmp_path / "to", start, silence_s=5)
    assert made.source == f"good: {site.url}/good.bin (checked by eye)"
    assert read_bundle(Folder(tmp_path / "to")).manifest == made
    assert [path for path, _ in site.requests] == [
        "/missing.bin", "/altered.bin", "/good.bin", "/good.bin",
    ]  # fmt: skip
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["colors", "to"]


def test_every_failure_is_told_when_none_is_good(
    site: Site, closed: str, network: Path, tmp_path: Path
) -> None:
    site.files = {"/altered.bin": CONTENT[::-1]}
    site.silent = {"/silent.bin"}
    bases = {"unreachable": closed, "missing": site.url, "altered": site.url, "silent": site.url}
    sources = [source(title, base, network, content=CONTENT) for title, base in bases.items()]
    with pytest.raises(NoSourceError) as caught:
        fetch(sources, tmp_path / "to", start, silence_s=0.3)
    assert [(failure.source, failure.reason) for failure in caught.value.failures] == [
        ("unreachable", "unreachable.bin: cannot be reached: Connection refused"),
        ("missing", "missing.bin: HTTP status 404"),
        ("altered", "wrong checksum: it is another"),
        ("silent", "silent.bin: silent for too long"),
    ]
    assert [entry.name for entry in tmp_path.iterdir()] == ["colors"]


def test_the_half_of_a_failed_run_serves_the_next(
    site: Site, network: Path, tmp_path: Path
) -> None:
    site.files, site.cuts = {"/good.bin": CONTENT}, [400_000]
    sources = [source("good", site.url, network, content=CONTENT)]

    def fail_soon(_url: str) -> Callable[[int, int | None], None]:
        return lambda *_: site.statuses.update({"/good.bin": 503})

    with pytest.raises(NoSourceError):
        fetch(sources, tmp_path / "to", fail_soon, silence_s=5)
    assert not (tmp_path / "to").exists()
    site.requests.clear()
    site.statuses.clear()
    fetch(sources, tmp_path / "to", start, silence_s=5)
    assert site.requests == [("/good.bin", "bytes=400000-")]


def test_a_half_that_does_not_fit_is_thrown_away(site: Site, network: Path, tmp_path: Path) -> None:
    site.files = {"/good.bin": CONTENT}
    sources = [source("good", site.url, network, content=CONTENT)]
    (tmp_path / ".to.download").mkdir()
    (tmp_path / ".to.download/good.bin").write_bytes(b"another file's half")
    with pytest.raises(NoSourceError, match="none of the sources"):
        fetch(sources, tmp_path / "to", start, silence_s=5)
    fetch(sources, tmp_path / "to", start, silence_s=5)


def test_those_with_a_checksum_come_first() -> None:
    verified = [bool(source.verified) for source in SOURCES["resnet-18"]]
    assert verified == sorted(verified, reverse=True)
    assert [source.title for source in mirrored(SOURCES["resnet-18"], "http://m")] == [
        "Gluon model store, resnet18_v1",
        "torchvision, resnet18",
        "MXNet model zoo, 2017",
    ]


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts/model.py"), *map(str, arguments)],
        env=os.environ | {"COLUMNS": "200"} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def zoo_files() -> dict[str, bytes]:
    """A network with the shapes of the 2017 model's input and output, and its file names."""
    from classifier.model.lean_mxnet import mx

    pooled = mx.sym.Flatten(mx.sym.mean(mx.sym.Variable("data"), axis=(2, 3)))
    scores = mx.sym.FullyConnected(pooled, num_hidden=1000, name="fc1")
    symbol = mx.sym.SoftmaxOutput(scores, name="softmax").tojson().encode()
    from tools.model.network import save_arrays

    weights = {"arg:fc1_weight": mx.nd.zeros((1000, 3)), "arg:fc1_bias": mx.nd.arange(1000)}
    return dict(zip((f"/{name}" for name in ZOO), (symbol, save_arrays(weights)), strict=True))


def test_the_command_takes_the_first_good_source_of_a_mirror(
    site: Site, zoo_files: dict[str, bytes], tmp_path: Path
) -> None:
    page = io.BytesIO()
    with zipfile.ZipFile(page, "w") as archive:
        archive.writestr("resnet18_v1-a0666292.params", "not the parameters")
    site.files = zoo_files | {
        "/resnet18_v1-a0666292.zip": page.getvalue(),
        "/resnet18-f37072fd.pth": b"not the checkpoint",
    }
    done = run("fetch", "--to", tmp_path / "to", "--mirror", f"{site.url}/")
    assert done.returncode == 0, done.stderr
    bundle = read_bundle(Folder(tmp_path / "to"))
    assert bundle.manifest.name == "resnet-18"
    assert bundle.manifest.source == (
        f"MXNet model zoo, 2017: {site.url}/{ZOO[0]} (no checksum was published)"
    )
    assert bundle.labels[0].identifier == "n01440764"

    again = run("fetch", "--to", tmp_path / "to", MODEL_MIRROR=site.url)
    assert again.returncode == 0
    assert "holds a bundle already" in again.stdout


def test_the_command_shows_what_was_tried(site: Site, tmp_path: Path) -> None:
    site.files = {"/resnet18-f37072fd.pth": b"not the checkpoint"}
    site.statuses = {"/resnet18_v1-a0666292.zip": 503}
    done = run("fetch", "resnet-18", "--to", tmp_path / "to", "--mirror", site.url)
    assert done.returncode == 1
    digits = hashlib.sha256(b"not the checkpoint").hexdigest()[:8]
    for title, reason in [
        ("Gluon model store, resnet18_v1", "resnet18_v1-a0666292.zip: HTTP status 503"),
        ("torchvision, resnet18", f"wrong checksum: its SHA-256 begins {digits}, not f37072fd"),
        ("MXNet model zoo, 2017", "resnet-18-symbol.json: HTTP status 404"),
    ]:
        assert re.search(f"{re.escape(title)} .*{re.escape(reason)}", done.stderr), done.stderr
    assert done.stderr.endswith("Error: none of the sources gave the model\n")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["fetch", "resnet-19", "--to", str(tmp_path / "to")]) == 1
    assert capsys.readouterr().err == "Error: resnet-19: no such network; there is resnet-18\n"


def test_ctrl_c_leaves_no_half_bundle(site: Site, tmp_path: Path) -> None:
    site.silent = {"/resnet18_v1-a0666292.zip"}
    to = tmp_path / "to"
    process = subprocess.Popen(
        [sys.executable, ROOT / "scripts/model.py", "fetch", "--to", to, "--mirror", site.url],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not site.requests and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Error: interrupted; nothing was written" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
