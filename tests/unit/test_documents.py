"""Every command in a code block of the documents exists, with the options that it has there.

tests/integration/test_documents.py runs what needs no AWS account; this looks at the rest, too.
"""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import click
import pytest
import shell_blocks
from botocore import xform_name
from samcli.commands.local.local import cli as sam_local

from tools.model.commands import find_similar
from tools.project import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = {
    f"{page.name}: {' '.join(words)[:70]}": words
    for page in PAGES
    for command in shell_blocks.commands(page)
    for words in command.words
}
# Others' programs, whose options are their own.
OTHERS = {"apt-get", "base64", "cp", "curl", "dnf", "git", "jq", "mkdir", "printf"}
# Commands of the AWS CLI that are no operations of a service.
AWS_COMMANDS = {("s3", "cp"), ("logs", "tail")}
# Each target of make that takes ARGS, and the command that gets them.
TARGETS = {"deploy": ["deploy.py", "deploy"], "destroy": ["deploy.py", "destroy"]} | {
    "deploy-local": ["deploy_local.py"],
    "bench": ["bench.py"],
    "load": ["load.py"],
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Options such as --profile change it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def parse(command: click.Command, name: str, words: list[str]) -> None:
    """Parse as click does before it runs ``command``. Raises click.UsageError."""
    context = command.make_context(name, list(words))
    if isinstance(command, click.Group):
        rest = [*context.protected_args, *context.args]
        sub_name, sub_command, rest = command.resolve_command(context, rest)
        assert sub_command
        sub_command.make_context(sub_name, rest, parent=context)


def script_command(script: str) -> click.Command:
    """The command that a script runs."""
    imported = re.search(
        r"^from (tools\S+) import (\w+)$", (ROOT / "scripts" / script).read_text(), re.MULTILINE
    )
    assert imported, script
    command: click.Command = getattr(importlib.import_module(imported[1]), imported[2])
    return command


def check_make(words: list[str]) -> None:
    arguments = [word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")]
    variables = [word for word in words if not word.startswith("ARGS=")]
    done = subprocess.run(
        ["make", "-n", *variables], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if arguments:
        script, *sub_command = TARGETS[words[0]]
        own = shell_blocks.Command(arguments[0]).words[0]
        parse(script_command(script), script, [*sub_command, *own])


def check_aws(words: list[str]) -> None:
    service, operation, *rest = words
    options = {word.removeprefix("--") for word in rest if word.startswith("--")}
    if (service, operation) in AWS_COMMANDS:
        return
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in operations
    shape = model.operation_model(operations[operation]).input_shape
    members = {xform_name(name, "-") for name in shape.members} | {"query", "output", "region"}
    assert options <= members


def check_sam(words: list[str]) -> None:
    local, name, *options_there = words
    assert local == "local"
    command = sam_local.get_command(click.Context(sam_local), name)
    assert command, name
    options = {option for param in command.params for option in param.opts}
    assert {word for word in options_there if word.startswith("-")} <= options


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_command_exists(words: list[str]) -> None:
    program, *rest = words
    if program.startswith("scripts/"):
        script = program.removeprefix("scripts/")
        assert os.access(ROOT / program, os.X_OK)
        parse(script_command(script), script, rest)
    elif program == "make":
        check_make(rest)
    elif program == "aws":
        check_aws(rest)
    elif program == "sam":
        check_sam(rest)
    elif program == ".venv/bin/python":
        assert (ROOT / rest[0]).is_file()
    else:
        assert program in OTHERS


def test_there_are_commands_of_every_kind() -> None:
    programs = {words[0].partition("/")[0] for words in COMMANDS.values()}
    assert {"scripts", "make", "aws", "sam", "curl", ".venv"} <= programs


@pytest.mark.parametrize(
    "line",
    [
        "scripts/model.py measure-all",
        "scripts/model.py quantize models/demo --to",
        'make deploy ARGS="--profil trial"',
        "make no-such-target",
        "aws logs create-log-groups --log-group-name x",
        "aws logs create-log-group --log-group x",
        "sam local start-api --no-such-option",
        "no-such-program",
    ],
)
def test_wrong_command_is_noticed(line: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        test_command_exists(shell_blocks.Command(line).words[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_commands_name_are_there(page: Path) -> None:
    for command in shell_blocks.commands(page):
        for file in re.findall(r"(?:^|[ @])((?:docs|events|tests|hooks)/[\w./-]+)", command.text):
            assert (ROOT / file).exists(), command.text


def test_page_of_clients_says_how_to_install_what_its_programs_import() -> None:
    page = (ROOT / "docs/clients.md").read_text()
    blocks = "".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    packages = set(re.findall(r"^(?:import|from) (\w+)", blocks, re.MULTILINE))
    installed = set(re.findall(r"`pip install (\w+)`", page))
    assert packages - sys.stdlib_module_names == installed


def test_help_and_page_of_similar_say_which_images_a_query_takes() -> None:
    [query] = [each for each in find_similar.command.params if each.name == "queries"]
    assert isinstance(query, click.Option)
    assert "which is one of SOURCE" in str(query.help)
    assert "which is one of the folder" in (ROOT / "docs/similar.md").read_text()


def test_page_of_models_has_no_agreement_of_crops() -> None:
    # No script writes that figure, and machines differ.
    [section] = re.findall(
        r"^Without `--images`.*?\n\n",
        (ROOT / "docs/models.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    assert re.findall(r"[0-9.]+ %", section) == ["80 %"]
