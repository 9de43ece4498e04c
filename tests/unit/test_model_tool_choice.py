"""Which bundle is served where nobody named one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.model.catalogue import Network
from tools.model.choice import Choice, choose
from tools.model.download import Start

Fetch = Callable[[Network, Path, Start], None]


def publishing(*names: str) -> Fetch:
    """A fetch that succeeds for the networks called ``names`` and no others."""

    def fetch(network: Network, to: Path, start: Start) -> None:
        if network.name not in names:
            raise ToolError("it cannot be reached")
        start(network.name)
        to.mkdir()

    return fetch


def no_fetch(network: Network, to: Path, start: Start) -> None:
    pytest.fail(f"{network.name} was fetched")


def test_a_named_bundle_is_a_folder_or_one_of_models(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert choose("mine", tmp_path, fetch=no_fetch) == Choice(tmp_path / "mine")
    assert choose(str(tmp_path), tmp_path, fetch=no_fetch) == Choice(tmp_path)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nothing", "MODEL=nothing: there is no such folder"),
        ("nothing", "`scripts/model.py list` shows the networks"),
        (
            "resnet18",
            "`scripts/model.py fetch resnet-18` fetches it, and MODEL=resnet-18 serves it",
        ),
        ("Squeeze_Net", "MODEL=squeezenet is there"),
        ("mobilenet-v2", "`scripts/model.py fetch mobilenet-v2` fetches it"),
    ],
)
def test_a_bundle_that_is_missing_is_an_error(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / "squeezenet").mkdir()
    with pytest.raises(ToolError, match=hint):
        choose(name, tmp_path, fetch=no_fetch)


@pytest.mark.parametrize("fetched", ["resnet-18", "efficientnet-lite0"])
def test_a_network_that_was_fetched_is_not_fetched_again(tmp_path: Path, fetched: str) -> None:
    (tmp_path / "demo").mkdir()
    first = choose(None, tmp_path, fetch=publishing(fetched))
    assert first.folder == tmp_path / fetched
    assert fetched in first.remark
    assert choose(None, tmp_path, fetch=no_fetch).folder == tmp_path / fetched


def test_the_digits_come_last_and_the_remark_says_why(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    choice = choose(None, tmp_path, fetch=publishing())
    assert choice.folder == tmp_path / "demo"
    assert "\n" not in choice.remark
    for words in (
        "handwritten digits",
        "resnet-18: it cannot be reached",
        "`scripts/model.py fetch efficientnet-lite0` tries again",
    ):
        assert words in choice.remark


def test_no_bundle_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no model: resnet-18: it cannot be reached"):
        choose(None, tmp_path, fetch=publishing())


def test_downloads_are_reported(tmp_path: Path) -> None:
    started: list[str] = []

    def start(name: str) -> Callable[[int, int | None], None]:
        started.append(name)
        return lambda *_: None

    choose(None, tmp_path, start, publishing("efficientnet-lite0"))
    assert started == ["efficientnet-lite0"]
