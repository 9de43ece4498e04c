"""The model tool, run as people run it, but in the test's process."""

import pytest

from tools.model import cli

type Capture = pytest.CaptureFixture[str]


def output(capsys: Capture, *arguments: object) -> str:
    """What a command that succeeds writes to standard output."""
    status = cli.main([str(each) for each in arguments])
    written = capsys.readouterr()
    assert status == 0, written.err
    return written.out


def refusal(capsys: Capture, *arguments: object) -> str:
    """The one line on standard error of a command that fails, with its line break."""
    assert cli.main([str(each) for each in arguments]) != 0
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("Error: ")
    assert written.err.count("\n") == 1
    return written.err
