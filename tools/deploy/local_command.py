"""Deploys to an account on this machine, and leaves it there to be asked. Needs no AWS account."""

import os
import signal

import click

from tools.command import Command
from tools.deploy import cli
from tools.deploy.emulator.account import REGION, LocalAccount
from tools.errors import ToolError
from tools.local.ports import Port
from tools.model.choice import choose
from tools.project import ROOT

STACK = "image-classification"


@click.command("scripts/deploy_local.py", cls=Command, help=__doc__)
@click.option("--model", help="A bundle's folder, or one in models/. Default: the best there is.")
@click.option(
    "--port", type=Port(0), default=4566, show_default=True, help="Of all of AWS's services."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One parameter.")
def main(model: str | None, port: int, settings: tuple[str, ...]) -> None:
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
        signal.pause()
