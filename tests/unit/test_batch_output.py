"""The results of a run are whole, or what there is of them stays beside the earlier ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.batch.output import format_of, output
from tools.errors import ToolError

LINE = {"key": "a.png", "labels": [{"label": "tabby, tabby cat", "probability": 0.5}]}
REFUSED = {"key": "ü.png", "error": {"code": "image-too-large"}}
EMPTY = {"key": "c.png", "labels": []}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    path.write_text("earlier\n")
    return path


def test_file_is_replaced_when_all_lines_are_there(file: Path) -> None:
    with output(file, "jsonl") as write:
        write(LINE)
        assert file.read_text() == "earlier\n"
    assert json.loads(file.read_text()) == LINE
    assert list(file.parent.iterdir()) == [file]


def write_and_raise(file: Path, error: BaseException) -> None:
    with output(file, "jsonl") as write:
        write(LINE)
        raise error


@pytest.mark.parametrize("error", [ToolError("gone"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_finished_lines_and_the_earlier_file_stay_after_a_failure(
    error: BaseException, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("results.jsonl.part", "results.jsonl.part1"):  # Nor does one end the other.
        with pytest.raises(type(error)):
            write_and_raise(file, error)
        assert json.loads((file.parent / name).read_text()) == LINE
        assert f"The 1 lines that were finished are in {file.parent / name}; " in (
            capsys.readouterr().err
        )
    assert file.read_text() == "earlier\n"


def test_line_is_on_the_disk_before_the_next(file: Path) -> None:
    with output(file, "jsonl") as write:
        write(LINE)
        assert json.loads(file.with_name("results.jsonl.part").read_text()) == LINE


def test_failure_before_the_first_line_leaves_nothing(file: Path) -> None:
    with pytest.raises(ToolError), output(file, "jsonl"):
        raise ToolError("gone")
    assert list(file.parent.iterdir()) == [file]


def test_table_has_the_first_label_or_the_code(tmp_path: Path) -> None:
    with output(tmp_path / "results.csv", "csv") as write:
        for line in (LINE, REFUSED, EMPTY):
            write(line)
    assert (tmp_path / "results.csv").read_text().splitlines() == [
        "key,label,probability,code",
        'a.png,"tabby, tabby cat",0.5,',
        "ü.png,,,image-too-large",
        "c.png,,,",
    ]


def test_name_that_is_no_unicode_is_written(tmp_path: Path) -> None:
    line: dict[str, Any] = {"key": "\udcff.png"}
    with output(tmp_path / "results.jsonl", "jsonl") as write:
        write(line)
    assert json.loads((tmp_path / "results.jsonl").read_text()) == line


@pytest.mark.parametrize(("name", "form"), [("a.csv", "csv"), ("a.CSV", "csv"), ("a", "jsonl")])
def test_format_follows_from_the_name(name: str, form: str) -> None:
    assert format_of(Path(name)) == form
    assert format_of(None) == "jsonl"
