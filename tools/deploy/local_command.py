"""Deploys to an account on this machine, and leaves it there to be asked. Needs no AWS account."""

import os
import signal
import socket
from contextlib import suppress

import click

from tools.command import Command
from tools.deploy import cli, parameters
from tools.deploy.emulator.account import REGION, LocalAccount
from tools.deploy.questions import check_before_build
from tools.errors import ToolError
from tools.local.ports import HOST, Port
from tools.model.choice import choose
from tools.project import ROOT

STACK = "image-classification"


@click.command("scripts/deploy_local.py", cls=Command, help=__doc__)
@click.option("--model", help="A bundle's folder, or one in models/. Default: the best there is.")
@click.option(
    "--port", type=Port(0), default=4566, show_default=True, help="Of all of AWS's services."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One parameter.")
@click.option("--check", is_flag=True, help="Check options; needs no build.")
def main(model: str | None, port: int, settings: tuple[str, ...], *, check: bool) -> None:
    if check:
        _check(model, port, settings)
        return
    choice = choose(model, ROOT / "models")
    click.echo(choice.remark)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends the account, as Ctrl-C does
    with LocalAccount(port) as account:
        os.environ.update(account.variables | {cli.API_URL: account.api_url})
        options = [option for each in settings for option in ("--set", each)]
        arguments = ["--yes", "--model", str(choice.folder), "--stack", STACK, "--regions", REGION]
        if cli.cli.run(["deploy", *arguments, *options]):
            raise ToolError("the deploy failed; see above")
        names = " ".join(f"{name}={value}" for name, value in account.variables.items())
        click.echo(f"\nTo look around: export {names}\nCtrl-C ends it.")
        with suppress(KeyboardInterrupt):
            signal.pause()
    click.echo("\nStopped.")


def _check(model: str | None, port: int, settings: tuple[str, ...]) -> None:
    """Check the options that would end the command after some minutes of building."""
    defaults = parameters.defaults(ROOT / "template.yaml")
    options = parameters.read_options(cli.CONFIG, "default", settings, defaults)
    check_before_build(model, [REGION], options, yes=True)
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ToolError(f"--port {port}: {reason}; choose another") from error
