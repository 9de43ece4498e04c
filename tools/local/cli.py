"""Serves the API on this machine: S3, Lambda and API Gateway without Docker or an account.

Ctrl-C or SIGTERM ends it, and all that it started, with exit status 0.
"""

import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from types import FrameType

import click

signal.signal(signal.SIGINT, signal.SIG_DFL)  # so far nothing is to be ended, nor to be told

# Nobody asked to tell AWS of what is run here. To be set before the SAM CLI is imported.
os.environ["SAM_CLI_TELEMETRY"] = "0"

import waitress
from samcli.lib.providers.provider import Stack
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

from classifier.errors import BundleError
from tools.local import function, models
from tools.local.environment import Environment, EnvironmentFailed
from tools.local.gateway import create_app
from tools.local.parent import stop_with_make
from tools.local.pool import Pool
from tools.local.s3 import LocalS3
from tools.local.terminal import Terminal
from tools.project import ROOT

HOST = "127.0.0.1"
MODELS = ROOT / "models"
BUCKET = "models"
IMAGE = "docs/digit.png"
# Threads that take requests while others wait for an environment.
SPARE_THREADS = 8


@click.command(
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
    type=click.IntRange(1, 65535),
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
    type=click.IntRange(0, 65535),
    help="The port of the stand-in for S3; 0 is any free one.",
)
def main(model: str | None, port: int, environments: int, s3_port: int) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)  # SIGINT too: a shell lets "&" ignore it
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
    except (BundleError, EnvironmentFailed, OSError) as error:
        raise click.ClickException(str(error)) from error
    terminal.console.print("\nStopped.")


def serve(
    terminal: Terminal,
    stack: ExitStack,
    *,
    model: str | None,
    port: int,
    environments: int,
    s3_port: int,
) -> None:
    """Start everything, serve, and leave what is to be ended to ``stack``."""
    started = monotonic()
    listener = stack.enter_context(_reserve("PORT", port))
    variables = {"OMP_NUM_THREADS": function.threads(environments)}
    is_ours = not os.environ.get("MODEL_URI", "").strip()
    if is_ours:
        variables |= _publish(terminal, stack, models.choose(model, MODELS), s3_port)
    elif model:
        raise click.ClickException("MODEL and MODEL_URI are both set; one of them is enough.")
    else:
        variables |= function.aws_variables()
        terminal.step("Model", os.environ["MODEL_URI"])

    template = _template()
    described = function.function(template, ROOT, variables)
    pool = Pool([Environment(described, terminal.function_line) for _ in range(environments)])
    stack.callback(pool.stop)
    with terminal.console.status("Starting the function"):
        warmed = pool.warm((ROOT / "events/health.json").read_bytes())
    is_healthy = all(json.loads(body).get("statusCode") == 200 for body, _ in warmed)
    if is_ours and not is_healthy:  # it cannot heal: a bundle never changes
        raise click.ClickException("The function cannot serve this bundle.")
    terminal.step(
        "Function",
        f"{_count(environments, 'environment')}, {_count(variables['OMP_NUM_THREADS'], 'thread')}"
        f" each, up in {max(seconds for _, seconds in warmed):.1f} s",
    )

    app = create_app(template, ROOT, pool, terminal.request)
    logging.getLogger("waitress").setLevel(logging.ERROR)  # it warns of every queue
    server = waitress.create_server(
        app,
        sockets=[listener],
        threads=environments + SPARE_THREADS,
        # More than ever come at once: those beyond would wait for others to hang up.
        connection_limit=4096,
        asyncore_use_poll=True,  # select() takes no more than 1,024
        ident=None,
    )
    stack.callback(server.close)
    url = f"http://{HOST}:{port}"
    terminal.step("API", f"{url}, ready in {monotonic() - started:.1f} s; Ctrl-C ends it")
    if not is_healthy:
        terminal.remark("No model could be loaded: requests are answered with 503 until one can.")
    terminal.console.print(
        f"\n  Open {url} in a browser, or paste:\n\n"
        f"  curl -H 'content-type: image/png' --data-binary @{IMAGE} {url}/predict\n"
    )
    server.run()


def _publish(
    terminal: Terminal, stack: ExitStack, choice: models.Choice, port: int
) -> dict[str, str]:
    """Start the S3 stand-in with the bundle in it: the variables that lead the function there."""
    if choice.folder == MODELS / "synthetic" and not choice.folder.is_dir():
        with terminal.console.status("Drawing the weights of a synthetic ResNet-18"):
            _make_synthetic(choice.folder)
    with terminal.console.status("Publishing the bundle"):
        bundle, files = models.read(choice.folder)
        with _reserve("S3_PORT", port):
            pass  # moto's server would not tell us that the port is taken
        stand_in = LocalS3(port)
        stand_in.start()
        stack.callback(stand_in.stop)
        name, version = bundle.manifest.name, bundle.manifest.version
        stand_in.fill(BUCKET, f"{name}/{version}", files)
        stand_in.make_buckets(os.environ.get("S3_READ_BUCKETS", ""))
    uri = f"s3://{BUCKET}/{name}/{version}"
    terminal.step("Model", f"{name} {version}, {choice.folder}")
    if choice.remark:
        terminal.remark(choice.remark)
    terminal.step("S3 stand-in", f"{stand_in.url}, the bundle is at {uri}")
    return stand_in.variables | {"MODEL_URI": uri}


@contextmanager
def _reserve(variable: str, port: int) -> Iterator[socket.socket]:
    """The port, ours from the first moment on: whoever asks too early is refused, not kept.

    Raises ClickException, which names the variable that chooses it.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise click.ClickException(
                f"{variable}={port}: {error.strerror}; choose another with {variable}="
            ) from error
        yield listener


def _template() -> Stack:
    """The template with its parameters' defaults filled in."""
    logging.getLogger("samcli").setLevel(logging.ERROR)
    stacks, _ = SamLocalStackProvider.get_stacks(str(ROOT / "template.yaml"))
    return stacks[0]


def _count(number: int | str, noun: str) -> str:
    return f"{number} {noun}{'' if int(number) == 1 else 's'}"


def _make_synthetic(folder: Path) -> None:
    # Imported here: the model tool brings MXNet along, which only this one step needs.
    from tools.model.synthetic import synthetic  # noqa: PLC0415

    synthetic(seed=0).write(folder)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # once is enough: the end must not be cut short
    raise KeyboardInterrupt


def command() -> None:
    """Run ``main``; what goes wrong is one line on standard error."""
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        sys.exit(f"Error: {error.format_message()}")
