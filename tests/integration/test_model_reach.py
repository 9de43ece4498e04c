"""Which publishers answer, and what a silent one costs."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from publisher import Site, serving

from tools.errors import ToolError
from tools.model.catalogue import NETWORKS
from tools.model.choice import fetch_quickly
from tools.model.reach import unreachable


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_addresses_are_asked_side_by_side(site: Site, silent: str, closed: str) -> None:
    site.files["/there"] = b"x"
    urls = [f"{silent}/a", f"{silent}/b", f"{closed}/c", f"{site.url}/there", f"{site.url}/not"]
    started = time.monotonic()
    failures = unreachable(urls, within_s=0.5)
    assert time.monotonic() - started < 1.5
    assert set(failures) == {f"{silent}/a", f"{silent}/b", f"{closed}/c"}
    assert failures[f"{closed}/c"] == "cannot be reached: Connection refused"


def test_no_address_is_no_failure() -> None:
    assert unreachable([], within_s=5) == {}


def test_a_network_whose_publishers_are_silent_costs_five_seconds(
    silent: str, tmp_path: Path
) -> None:
    network = NETWORKS["resnet-18"]
    sources = tuple(replace(each, address=silent) for each in network.sources)
    started = time.monotonic()
    with pytest.raises(ToolError, match="none of its publishers answers"):
        fetch_quickly(replace(network, sources=sources), tmp_path / "to", lambda _: lambda *_: None)
    assert time.monotonic() - started < 7
    assert list(tmp_path.iterdir()) == []


def test_a_publisher_without_the_file_is_reported_in_one_line(site: Site, tmp_path: Path) -> None:
    network = NETWORKS["resnet-50"].mirrored(site.url)
    with pytest.raises(ToolError, match=r"resnet50-0676ba61\.pth: HTTP status 404"):
        fetch_quickly(network, tmp_path / "to", lambda _: lambda *_: None)
    assert list(tmp_path.iterdir()) == []
