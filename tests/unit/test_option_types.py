"""Options' values are checked before a command begins its work."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tools.batch import cli as batch
from tools.model import cli as model
from tools.option_types import Address, OutputFile
from tools.uploads import cli as uploads


def commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield name, command


def ranges() -> dict[str, click.FloatRange]:
    return {
        f"{name} {parameter.opts[0]}": parameter.type
        for group in (batch.cli, model.cli)
        for name, command in commands(group)
        for parameter in command.params
        if isinstance(parameter.type, click.FloatRange)
    }


RANGES = ranges()


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "NaN"])
@pytest.mark.parametrize("option", RANGES)
def test_what_is_no_number_is_in_no_range(option: str, value: str) -> None:
    with pytest.raises(click.BadParameter):
        RANGES[option].convert(value, None, None)
    assert RANGES[option].convert("0.5", None, None) == 0.5


def test_option_that_is_no_number_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert model.main(["similar", "photos", "--min-similarity", "nan"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: Invalid value for '--min-similarity': 'nan' is not a number.")


@pytest.fixture
def no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a command begins with fails."""
    monkeypatch.delattr("tools.model.commands.find_similar.image_files")
    monkeypatch.delattr("tools.batch.cli.Deployment")
    monkeypatch.delattr("tools.batch.local.folder_files")


@pytest.mark.parametrize(
    ("name", "reason"), [("folder", "is a directory"), ("none/page.html", "there is no folder")]
)
@pytest.mark.usefixtures("no_start")
def test_file_that_cannot_be_written_is_refused_before_work(
    name: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    to = str(tmp_path / name)
    for run, arguments in (
        (model.main, ["similar", str(tmp_path), "--page", to]),
        (batch.cli.run, ["local", str(tmp_path), "--to", to]),
        (batch.cli.run, ["results", "run", "--to", to]),
    ):
        assert run(arguments) == 2
        error = capsys.readouterr().err
        assert reason in error
        assert to in error


def test_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(click.BadParameter, match="cannot be written; choose another place"):
        OutputFile().convert(str(tmp_path / "new"), None, None)


def test_file_that_can_be_written_is_taken(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    for path in (tmp_path / "new", tmp_path / "old", Path(os.devnull)):
        assert OutputFile().convert(str(path), None, None) == path


@pytest.mark.parametrize(
    "value",
    ["nonsense", "", "host:3000", "http://", "http:///a", "ftp://a/b", "http://[", "http://a:b"],
)
def test_what_is_no_address_is_bad_usage(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    for run, arguments, option in (
        (model.main, ["fetch"], "--mirror"),
        (batch.cli.run, ["local", "photos"], "--url"),
        (uploads.cli.run, ["local", "photos"], "--api"),
    ):
        assert run([*arguments, option, value]) == 2
        assert f"{value!r} is not an address like https://host/path." in capsys.readouterr().err


def test_address_has_no_slash_at_its_end() -> None:
    for value in ("https://a.example/v1/", "https://a.example/v1"):
        assert Address().convert(value, None, None) == "https://a.example/v1"
    assert Address().convert("http://[::1]:80", None, None) == "http://[::1]:80"
