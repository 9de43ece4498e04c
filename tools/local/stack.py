"""The local stack: a local S3 with the bundle, a pool of environments, and the API before them."""

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

from samcli.lib.providers.provider import Stack
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from waitress.server import create_server

from tools.command import hold_interrupts
from tools.errors import ToolError
from tools.local import function, large_images
from tools.local.environment import Environment
from tools.local.gateway import create_app
from tools.local.models import read
from tools.local.pool import Pool
from tools.local.ports import HOST
from tools.local.s3 import LocalS3
from tools.local.terminal import Terminal
from tools.model.choice import Choice, choose
from tools.model.terminal import byte_progress, show_downloads
from tools.project import ROOT

MODELS = ROOT / "models"
BUCKET = "models"
# Threads that take requests while others wait for an environment.
SPARE_THREADS = 8


def serve(
    terminal: Terminal,
    stack: ExitStack,
    *,
    model: str | None,
    port: int,
    environments: int,
    s3_port: int,
) -> None:
    """Start everything and serve until a signal comes; ``stack`` ends what was started.

    Raises ToolError, ClassifierError, OSError.
    """
    start = monotonic()
    listener = stack.enter_context(_listener(port))
    variables = {"OMP_NUM_THREADS": function.threads(environments)}
    is_local_model = not os.environ.get("MODEL_URI", "").strip()
    if is_local_model:
        s3, s3_variables = _publish(terminal, stack, _choose(terminal, model), s3_port)
        variables |= s3_variables
    elif model:
        raise ToolError("MODEL and MODEL_URI are both set; one of them is enough.")
    else:
        variables |= function.aws_variables()
        terminal.step("Model", os.environ["MODEL_URI"])

    template = _template()
    definition = function.function(template, ROOT, variables)
    pool = Pool([Environment(definition, terminal.function_line) for _ in range(environments)])
    stack.callback(pool.stop)
    with terminal.console.status("Starting the function"):
        first_calls = pool.warm((ROOT / "events/health.json").read_bytes())
    is_healthy = all(json.loads(body).get("statusCode") == 200 for body, _ in first_calls)
    if is_local_model and not is_healthy:  # A bundle never changes, so waiting is no use.
        raise ToolError("The function cannot serve this bundle.")
    terminal.step(
        "Function",
        f"{_count(environments, 'environment')}, {_count(variables['OMP_NUM_THREADS'], 'thread')}"
        f" each, up in {max(seconds for _, seconds in first_calls):.1f} s",
    )

    app = create_app(template, ROOT, pool, terminal.request)
    if is_local_model:
        large_images.add_route(app, s3, pool)
    logging.getLogger("waitress").setLevel(logging.ERROR)  # It warns of every queue.
    server = create_server(
        app,
        sockets=[listener],
        threads=environments + SPARE_THREADS,
        # Connections beyond it would wait until others close.
        connection_limit=4096,
        asyncore_use_poll=True,  # select() takes no more than 1,024.
        ident=None,
    )
    stack.callback(server.close)
    url = f"http://{HOST}:{port}"
    terminal.step("API", f"{url}, ready in {monotonic() - start:.1f} s; Ctrl-C ends it")
    if not is_healthy:
        terminal.remark("No model could be loaded: requests are answered with 503 until one can.")
    image = _example_image(first_calls[0][0])
    terminal.console.print(
        f"\n  Open {url} in a browser, or paste:\n\n  curl -F image=@{image} {url}/predict\n"
    )
    server.run()


def _example_image(health: bytes) -> str:
    """A file for the first command: a digit for a network of digits, else a clock."""
    if b"digit" in health:
        return "docs/digit.png"
    return "docs/example.jpg"


def _choose(terminal: Terminal, model: str | None) -> Choice:
    """The bundle to serve; downloads are shown."""
    with byte_progress() as bars:
        return choose(model, MODELS, show_downloads(bars, terminal.console))


def _publish(
    terminal: Terminal, stack: ExitStack, choice: Choice, port: int
) -> tuple[LocalS3, dict[str, str]]:
    """Start a local S3 with the bundle in it; returns it, and the function's variables."""
    with terminal.console.status("Publishing the bundle"):
        bundle, files = read(choice.folder)
        s3 = LocalS3(port)
        with _port_errors("S3_PORT", port):
            s3.start()
        stack.callback(s3.stop)
        name, version = bundle.manifest.name, bundle.manifest.version
        # Besides, buckets that images can be put into.
        buckets = os.environ.get("S3_READ_BUCKETS", "").replace(",", " ").split()
        with hold_interrupts():
            uri = s3.fill(BUCKET, f"{name}/{version}", files)
            s3.make_buckets(buckets)
    terminal.step("Model", f"{name} {version}, {choice.folder}")
    if choice.remark:
        terminal.remark(choice.remark)
    terminal.step("S3 stand-in", f"{s3.url}, the bundle is at {uri}")
    readable = ",".join([*buckets, large_images.BUCKET])
    return s3, s3.variables | {"MODEL_URI": uri, "S3_READ_BUCKETS": readable}


@contextmanager
def _listener(port: int) -> Iterator[socket.socket]:
    """The API's port, bound but not listening: requests that come too early are refused at once.

    Raises ToolError.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _port_errors("PORT", port):
            listener.bind((HOST, port))
        yield listener


@contextmanager
def _port_errors(variable: str, port: int) -> Iterator[None]:
    """Turns an OSError into a ToolError that names the port's variable."""
    try:
        yield
    except OSError as error:
        raise ToolError(
            f"{variable}={port}: {error.strerror}; choose another with {variable}="
        ) from error


def _template() -> Stack:
    """The template with its parameters' defaults filled in."""
    logging.getLogger("samcli").setLevel(logging.ERROR)
    stacks, _ = SamLocalStackProvider.get_stacks(str(ROOT / "template.yaml"))
    return stacks[0]


def _count(number: int | str, noun: str) -> str:
    return f"{number} {noun}{'' if int(number) == 1 else 's'}"
