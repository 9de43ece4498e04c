"""A tool's failure is one line on standard error and an exit status."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from click.testing import CliRunner, Result

from classifier.errors import BundleError
from tools.command import Command, Group
from tools.errors import ToolError
from tools.project import ROOT


def group_that(action: Callable[[], object]) -> Group:
    @click.group("scripts/tool.py", cls=Group, interrupted="nothing was written")
    def cli() -> None:
        """A tool."""

    @cli.command()
    @click.option("--count", type=int)
    def act(count: int) -> None:
        action()

    return cli


def failing(error: BaseException) -> Callable[[], object]:
    def action() -> None:
        raise error

    return action


def invoke(action: Callable[[], object], *arguments: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(group_that(action), list(arguments))


DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ToolError("wrong: mend it"), 1, "wrong: mend it"),
        (BundleError("manifest.json: no such file"), 1, "manifest.json: no such file"),
        (FileNotFoundError(2, "No such file", "a.txt"), 1, "a.txt: No such file"),
        (OSError("no number"), 1, "no number"),
        (
            NoCredentialsError(),
            1,
            "no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE",
        ),
        (DENIED, 1, str(DENIED)),
        (ToolError("two\nlines"), 1, "two lines"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_error_is_one_line_with_a_status(error: BaseException, status: int, line: str) -> None:
    result = invoke(failing(error), "act")
    assert result.exit_code == status
    assert result.stdout == ""
    # click ends the line of a terminal that shows ^C.
    assert result.stderr.strip() == f"Error: {line}"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["act", "--count", "x"], "(see scripts/tool.py act --help)"),
        (["nothing"], "(see scripts/tool.py --help)"),
        (["--nothing"], "(see scripts/tool.py --help)"),
        (["act", "--count", "1"], "--a goes with --b (see scripts/tool.py act --help)"),
    ],
)
def test_usage_error_says_where_the_help_is(arguments: list[str], line: str) -> None:
    result = invoke(failing(click.UsageError("--a goes with --b")), *arguments)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"{line}\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], ["act"]])
def test_both_options_show_help(command: list[str], option: str) -> None:
    result = invoke(list, *command, option)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: scripts/tool.py")


def test_unexpected_error_keeps_its_trace() -> None:
    assert isinstance(invoke(failing(ZeroDivisionError()), "act").exception, ZeroDivisionError)


def test_run_returns_the_status() -> None:
    assert group_that(list).run(["act"]) == 0
    assert group_that(failing(ToolError("wrong"))).run(["act"]) == 1
    assert group_that(lambda: sys.exit(3)).run(["act"]) == 3


def test_status_of_a_wrong_argument_can_be_chosen() -> None:
    @click.command("scripts/one.py", cls=Command, usage_status=1)
    def one() -> None:
        pass

    assert one.run(["--nothing"]) == 1


SCRIPTS = sorted((ROOT / "scripts").glob("[!_]*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_is_a_short_command(script: Path) -> None:
    assert len(script.read_text().splitlines()) <= 15
    process = subprocess.run(
        [sys.executable, script, "-h"], capture_output=True, text=True, check=True, timeout=60
    )
    assert process.stdout.startswith(f"Usage: scripts/{script.name}")


# Packages that not every environment has.
OTHER_GROUPS = (
    "aiohttp", "matplotlib", "onnx", "onnxruntime", "openvino", "playwright", "sklearn",
)  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_help_needs_no_package_of_another_group(script: Path) -> None:
    blocked = f"import sys; sys.modules.update(dict.fromkeys({OTHER_GROUPS}))"
    arguments = f"sys.argv = ['x', '-h']; sys.path.insert(0, {str(script.parent)!r})"
    code = f"{blocked}; import runpy; {arguments}"
    process = subprocess.run(
        [sys.executable, "-c", f"{code}; runpy.run_path({str(script)!r}, run_name='__main__')"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
