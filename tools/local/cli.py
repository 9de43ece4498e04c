"""Serves the API on this machine: S3, Lambda and API Gateway without Docker or an account.

Ctrl-C, SIGTERM or a closed terminal ends it, and all that it started, with exit status 0.
"""

import os
import signal
from contextlib import ExitStack
from types import FrameType

import click

from tools.command import Command
from tools.local.parent import stop_with_make
from tools.local.ports import Port


@click.command(
    "scripts/run.py",
    cls=Command,
    usage_status=1,  # Options are mostly variables, and a wrong variable is a failed run.
    help="Serves the API on this machine. Every option is also a variable.",
    context_settings={"show_default": True},
)
@click.option(
    "--model",
    envvar="MODEL",
    show_envvar=True,
    help="A bundle's folder, or its name in models/.",
)
@click.option(
    "--port",
    envvar="PORT",
    show_envvar=True,
    default=3000,
    type=Port(),
    help="The API's port.",
)
@click.option(
    "--environments",
    envvar="ENVIRONMENTS",
    show_envvar=True,
    default=1,
    type=click.IntRange(1, 64),
    help="Execution environments side by side; each takes one request at a time.",
)
@click.option(
    "--s3-port",
    envvar="S3_PORT",
    show_envvar=True,
    default=0,
    type=Port(0),
    help="The port of the local S3; 0 is any free one.",
)
def main(model: str | None, port: int, environments: int, s3_port: int) -> None:
    # Imports take a second. Ctrl-C just exits until our own handlers are installed.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ["SAM_CLI_TELEMETRY"] = "0"  # A local run reports nothing to AWS.
    from tools.local.stack import serve  # noqa: PLC0415
    from tools.local.terminal import Terminal  # noqa: PLC0415

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # A shell starts "&" jobs with SIGINT ignored.
    stop_with_make()
    terminal = Terminal()
    try:
        with ExitStack() as stack:
            serve(
                terminal,
                stack,
                model=model,
                port=port,
                environments=environments,
                s3_port=s3_port,
            )
    except KeyboardInterrupt:
        pass
    terminal.console.print("\nStopped.")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # A second signal must not cut the end short.
    raise KeyboardInterrupt
