"""`make deploy-local`: its options are looked at before the build, and Ctrl-C is its end."""

import signal
import socket
import subprocess
from types import SimpleNamespace
from typing import Self

import pytest

from tools.deploy import cli, local_command
from tools.local.ports import HOST
from tools.project import ROOT

DEMO = ("--model", str(ROOT / "models" / "demo"))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The accounts that were started, which are none; a deploy to one succeeds."""
    started: list[str] = []

    class Account(SimpleNamespace):
        def __enter__(self) -> Self:
            started.append("account")
            return self

        def __exit__(self, *_: object) -> None: ...

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        local_command, "LocalAccount", lambda _: Account(variables={}, api_url="http://{api}")
    )
    monkeypatch.setenv(cli.API_URL, "")
    monkeypatch.setattr(cli.cli, "run", lambda _: 0)
    monkeypatch.setattr(signal, "pause", interrupt)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return started


def run(*arguments: str) -> int:
    return local_command.main.run(arguments)


def test_make_checks_the_options_before_it_builds() -> None:
    done = subprocess.run(
        ["make", "-n", "deploy-local", "ARGS=--set X=1"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    check = done.stdout.index("scripts/deploy_local.py --check --set X=1")
    assert check < done.stdout.index("sam build")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "X=1"], "--set X=1: should be NAME=VALUE"),
        (["--model", "nowhere"], "there is no such folder"),
    ],
)
def test_check_refuses_wrong_options(
    arguments: list[str], words: str, account: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--check", "--port", "0", *arguments) == 1
    assert words in capsys.readouterr().err
    assert account == []


def test_check_refuses_a_port_in_use(
    account: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((HOST, 0)) as server:
        port = str(server.getsockname()[1])
        assert run("--check", "--port", port, *DEMO) == 1
    assert capsys.readouterr().err == (
        f"Error: --port {port}: Address already in use; choose another\n"
    )
    assert run("--check", "--port", port, *DEMO) == 0
    assert account == []


def test_ctrl_c_is_the_end(account: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*DEMO) == 0
    written = capsys.readouterr()
    assert written.out.endswith("Ctrl-C ends it.\n\nStopped.\n")
    assert written.err == ""
    assert account == ["account"]
