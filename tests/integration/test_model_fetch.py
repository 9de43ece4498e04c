"""Every source that can fail, played by a server on this machine."""

import dataclasses
import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import checkpoints
import pytest
from publisher import Site, serving

from classifier.model.bundle import Folder, read_bundle
from tools.errors import ToolError
from tools.model import cli as tool
from tools.model.catalogue import INPUTS, NETWORKS, Network, Source
from tools.model.download import Download, Timeouts
from tools.model.fetch import NoSourceError, fetch

ROOT = Path(__file__).parents[2]
ZOO = "resnet-18-symbol.json", "resnet-18-0000.params"
CONTENT = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def closed() -> Iterator[str]:
    """The address of a port that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def download(site: Site, part: Path, *, silence_s: float = 5) -> Download:
    timeouts = Timeouts(silence_s=silence_s)
    return Download(f"{site.url}/f", part, lambda *_: None, timeouts=timeouts, pause_s=0.01)


def test_a_file_arrives_and_its_progress_is_reported(site: Site, tmp_path: Path) -> None:
    site.files["/f"] = CONTENT
    reports: list[tuple[int, int | None]] = []
    part = tmp_path / "part"
    url, report = f"{site.url}/f", lambda *here: reports.append(here)
    assert Download(url, part, report, timeouts=Timeouts()).run() == CONTENT
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert [here for here, _ in reports] == sorted({here for here, _ in reports})


def test_a_download_that_breaks_off_is_resumed(site: Site, tmp_path: Path) -> None:
    site.files["/f"], site.cuts = CONTENT, [len(CONTENT) // 2, 1000]
    assert download(site, tmp_path / "part").run() == CONTENT
    assert [content_range for _, content_range in site.requests] == [
        None,
        f"bytes={len(CONTENT) // 2}-",
        f"bytes={len(CONTENT) // 2 + 1000}-",
    ]


def test_the_part_of_an_earlier_run_is_resumed(site: Site, tmp_path: Path) -> None:
    site.files["/f"] = CONTENT
    (tmp_path / "part").write_bytes(CONTENT[:1000])
    assert download(site, tmp_path / "part").run() == CONTENT
    assert site.requests == [("/f", "bytes=1000-")]


def test_the_whole_file_of_an_earlier_run_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    site.files["/f"] = CONTENT
    (tmp_path / "part").write_bytes(CONTENT)
    assert download(site, tmp_path / "part").run() == CONTENT
    assert site.requests == [("/f", f"bytes={len(CONTENT)}-")]


def test_a_part_longer_than_the_file_is_fetched_anew(site: Site, tmp_path: Path) -> None:
    site.files["/f"] = CONTENT
    (tmp_path / "part").write_bytes(CONTENT + b"!")
    assert download(site, tmp_path / "part").run() == CONTENT
    assert site.requests[-1] == ("/f", None)


def test_a_server_that_cannot_resume_sends_it_all_again(site: Site, tmp_path: Path) -> None:
    site.files["/f"], site.cuts, site.resumes = CONTENT, [1000], False
    assert download(site, tmp_path / "part").run() == CONTENT


def test_halves_of_two_files_are_not_joined(site: Site, tmp_path: Path) -> None:
    """The file is replaced on the server while its first half is on its way."""
    site.files["/f"], site.cuts = CONTENT, [1000]

    def replace(here: int, _total: int | None) -> None:
        site.files["/f"] = b"new" * 1000

    url, part = f"{site.url}/f", tmp_path / "part"
    download = Download(url, part, replace, timeouts=Timeouts(), pause_s=0.01)
    assert download.run() == b"new" * 1000


def test_a_download_that_always_breaks_off_is_given_up(site: Site, tmp_path: Path) -> None:
    site.files["/f"], site.cuts = CONTENT, [1000] + [0] * 10
    with pytest.raises(ToolError, match="broke off after 1,000 bytes"):
        download(site, tmp_path / "part").run()
    assert (tmp_path / "part").read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusal_is_reported_and_not_retried(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses["/f"] = status
    with pytest.raises(ToolError, match=f"HTTP status {status}"):
        download(site, tmp_path / "part").run()
    assert len(site.requests) == 1


@pytest.mark.parametrize("kind", ["silent", "drips"])
def test_a_download_that_stalls_is_given_up(site: Site, tmp_path: Path, kind: str) -> None:
    site.files["/f"] = CONTENT
    getattr(site, kind).add("/f")
    started = time.monotonic()
    with pytest.raises(ToolError, match="silent for too long" if kind == "silent" else "too slow"):
        download(site, tmp_path / "part", silence_s=0.5).run()
    assert time.monotonic() - started < 3


def test_a_server_that_cannot_be_reached_is_reported(closed: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be reached: Connection refused"):
        Download(closed, tmp_path / "part", lambda *_: None, timeouts=Timeouts()).run()


CHECKPOINT = checkpoints.resnet18()
TIMEOUTS = Timeouts(connect_s=5, silence_s=5, attempts=1)


def source(title: str, address: str, **members: str) -> Source:
    """A publisher of ``CHECKPOINT``, with its checksum unless ``members`` has another."""
    return Source(
        title=title,
        files=(f"{title}.bin",),
        format="torch",
        preprocessing=INPUTS["imagenet"],
        licence="BSD-3-Clause",
        address=address,
        **{"sha256": hashlib.sha256(CHECKPOINT).hexdigest()} | members,
    )


def network(*sources: Source) -> Network:
    return dataclasses.replace(NETWORKS["resnet-18"], sources=sources)


def start(_name: str) -> Callable[[int, int | None], None]:
    return lambda *_: None


def test_sources_are_tried_in_turn(site: Site, closed: str, tmp_path: Path) -> None:
    site.files = {
        "/altered.bin": CHECKPOINT[::-1], "/good.bin": CHECKPOINT, "/spare.bin": CHECKPOINT,
    }  # fmt: skip
    site.cuts = [len(CHECKPOINT), 50_000]  # altered comes whole, good does not
    addresses = {"unreachable": closed, "missing": site.url, "altered": site.url,
                 "good": site.url, "spare": site.url}  # fmt: skip
    sources = [source(title, address) for title, address in addresses.items()]
    manifest = fetch(network(*sources), tmp_path / "to", start, TIMEOUTS)
    assert manifest.source == f"good: {site.url}/good.bin (SHA-256 verified)"
    assert read_bundle(Folder(tmp_path / "to")).manifest == manifest
    assert [path for path, _ in site.requests] == [
        "/missing.bin", "/altered.bin", "/good.bin", "/good.bin",
    ]  # fmt: skip
    assert [entry.name for entry in tmp_path.iterdir()] == ["to"]


def test_the_manifest_says_what_the_network_knows(site: Site, tmp_path: Path) -> None:
    site.files["/good.bin"] = CHECKPOINT
    fetch(network(source("good", site.url)), tmp_path / "to", start, TIMEOUTS)
    manifest = json.loads((tmp_path / "to/manifest.json").read_text())
    assert manifest["description"] == "the 1000 classes of ImageNet"
    assert manifest["licence"] == "BSD-3-Clause"
    assert manifest["output"] == {
        "probabilities": False,
        "embedding": "flatten0_output",
        "features": "stage4_block1_relu1_output",
    }


def test_every_failure_is_reported_when_no_source_is_good(
    site: Site, closed: str, tmp_path: Path
) -> None:
    site.files = {"/altered.bin": CHECKPOINT[::-1], "/other.bin": b"no checkpoint"}
    site.silent = {"/silent.bin"}
    other = hashlib.sha256(b"no checkpoint").hexdigest()
    sources = [
        source("unreachable", closed),
        source("missing", site.url),
        source("altered", site.url),
        source("silent", site.url),
        source("other", site.url, sha256=other),
    ]
    with pytest.raises(NoSourceError) as caught:
        fetch(network(*sources), tmp_path / "to", start, Timeouts(silence_s=0.3))
    altered = hashlib.sha256(CHECKPOINT[::-1]).hexdigest()
    right = hashlib.sha256(CHECKPOINT).hexdigest()
    reasons = {failure.source: failure.reason for failure in caught.value.failures}
    assert reasons.pop("other").startswith("the checkpoint: neither a .pth nor a .safetensors")
    assert reasons == {
        "unreachable": "unreachable.bin: cannot be reached: Connection refused",
        "missing": "missing.bin: HTTP status 404",
        "altered": f"wrong checksum: its SHA-256 is {altered}, not {right}",
        "silent": "silent.bin: silent for too long",
    }
    assert list(tmp_path.iterdir()) == []


def test_another_network_than_the_requested_one_is_refused(site: Site, tmp_path: Path) -> None:
    site.files["/good.bin"] = CHECKPOINT
    other = dataclasses.replace(NETWORKS["resnet-50"], sources=(source("good", site.url),))
    with pytest.raises(NoSourceError) as caught:
        fetch(other, tmp_path / "to", start, TIMEOUTS)
    assert caught.value.failures[0].reason == "it is resnet-18, not resnet-50"
    assert list(tmp_path.iterdir()) == []


def test_the_part_of_a_failed_run_serves_the_next(site: Site, tmp_path: Path) -> None:
    site.files, site.cuts = {"/good.bin": CHECKPOINT}, [40_000]
    good = network(source("good", site.url))

    def fail_soon(_name: str) -> Callable[[int, int | None], None]:
        return lambda *_: site.statuses.update({"/good.bin": 503})

    with pytest.raises(NoSourceError):
        fetch(good, tmp_path / "to", fail_soon, TIMEOUTS)
    assert not (tmp_path / "to").exists()
    site.requests.clear()
    site.statuses.clear()
    fetch(good, tmp_path / "to", start, TIMEOUTS)
    assert site.requests == [("/good.bin", "bytes=40000-")]


def test_a_part_that_does_not_fit_is_thrown_away(site: Site, tmp_path: Path) -> None:
    site.files = {"/good.bin": CHECKPOINT}
    good = network(source("good", site.url))
    (tmp_path / ".to.download").mkdir()
    (tmp_path / ".to.download/good.bin").write_bytes(b"another file's part")
    with pytest.raises(NoSourceError, match="none of the sources"):
        fetch(good, tmp_path / "to", start, TIMEOUTS)
    fetch(good, tmp_path / "to", start, TIMEOUTS)


def test_sources_with_a_checksum_come_first() -> None:
    for network in NETWORKS.values():
        verified = [bool(source.check) for source in network.sources]
        assert verified == sorted(verified, reverse=True)
        assert all(source.wheel_sha256 for source in network.sources if source.package)
    assert [source.title for source in NETWORKS["resnet-18"].mirrored("http://m").sources] == [
        "Gluon model store, resnet18_v1",
        "torchvision, resnet18",
        "MXNet model zoo, 2017",
    ]


def test_a_mirror_serves_the_files_of_packages_too() -> None:
    (source,) = NETWORKS["efficientnet-lite0"].mirrored("http://m").sources
    assert (source.address, source.package) == ("http://m", "")
    assert source.files == ("efficientnet-lite0-57934424.pth",)


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
    from tools.model.mxnet_files import save_arrays

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
    assert done.stderr.endswith("and name that with MODEL_MIRROR=URL (--mirror URL)\n")
    assert "Error: none of the sources of resnet-18 is good: connect this machine" in done.stderr
    assert "…" not in done.stderr  # no address is cut
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["fetch", "resnet-19", "--to", str(tmp_path / "to")]) == 1
    assert capsys.readouterr().err.startswith(
        "Error: resnet-19: no such network; there is resnet-18"
    )


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
    _, message = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Error: interrupted; nothing was written" in message
    assert "Traceback" not in message
    assert list(tmp_path.iterdir()) == []
