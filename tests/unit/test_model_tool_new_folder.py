"""A folder appears whole, or not at all."""

from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.model.new_folder import new_folder, refuse_existing


def test_it_appears_when_the_block_ends(tmp_path: Path) -> None:
    to = tmp_path / "deep" / "bundle"
    with new_folder(to) as folder:
        (folder / "file").write_text("whole")
        assert not to.exists()
        assert folder.parent == to.parent  # so that the last step is a rename on one disk
    assert (to / "file").read_text() == "whole"
    assert list(to.parent.iterdir()) == [to]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ToolError("x"), OSError()])
def test_nothing_is_left_when_the_block_fails(tmp_path: Path, error: BaseException) -> None:
    def fail(to: Path) -> None:
        with new_folder(to) as folder:
            (folder / "file").write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_what_another_put_there_meanwhile_stays(tmp_path: Path) -> None:
    to = tmp_path / "bundle"

    def race() -> None:
        with new_folder(to) as folder:
            (folder / "file").write_text("ours")
            to.mkdir()
            (to / "file").write_text("theirs")

    with pytest.raises(OSError, match="not empty"):
        race()
    assert (to / "file").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [to]


@pytest.mark.parametrize("kind", ["folder with a file", "file", "dangling link"])
def test_what_is_there_is_refused(tmp_path: Path, kind: str) -> None:
    to = tmp_path / "bundle"
    if kind == "file":
        to.touch()
    elif kind == "dangling link":
        to.symlink_to(tmp_path / "nothing")
    else:
        to.mkdir()
        (to / "file").touch()
    with pytest.raises(ToolError, match=r"bundle: (not a folder|is not empty)"), new_folder(to):
        pytest.fail("it was entered")


def test_place_below_a_file_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ToolError, match=r"file is no folder; choose another place"):
        refuse_existing(tmp_path / "file" / "deep" / "bundle")
    refuse_existing(tmp_path / "deep" / "bundle")
