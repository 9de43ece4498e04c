"""The command line of every tool: a failure is one line on standard error and an exit status.

``@click.command(NAME, cls=Command)`` or ``@click.group(NAME, cls=Group)``: NAME is how people
call it, such as ``scripts/run.py``. Both take two more options:

interrupted: what Ctrl-C leaves behind, in words.
usage_status: the exit status of a wrong argument.
"""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from classifier.errors import ClassifierError
from tools.aws_errors import describe

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


class Command(click.Command):
    """A command whose failures show no trace. ``-h`` is ``--help``."""

    def __init__(
        self, name: str, *, interrupted: str = "", usage_status: int = 2, **options: Any
    ) -> None:
        settings = options.pop("context_settings", {})
        options["context_settings"] = {"help_option_names": ["-h", "--help"]} | settings
        super().__init__(name, **options)
        self._interrupted = interrupted
        self._usage_status = usage_status

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line, exit, and show an error as one line; arguments are click's."""
        sys.exit(self._status(*args, **extra))

    def run(self, args: Sequence[str]) -> int:
        """Run the command line ``args``; returns the exit status."""
        try:
            return self._status(args)
        except SystemExit as end:  # A command may set its own.
            return int(end.code or 0)

    def _status(self, *args: Any, **extra: Any) -> int:
        # Outside of standalone mode click raises its errors and shows none of them.
        extra = {"prog_name": self.name} | extra | {"standalone_mode": False}
        try:
            super().main(*args, **extra)
        except click.UsageError as error:
            hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            return _fail(error.format_message() + hint, self._usage_status)
        except click.ClickException as error:
            return _fail(error.format_message(), error.exit_code)
        except click.Abort:
            return _fail("; ".join(filter(None, ["interrupted", self._interrupted])), INTERRUPTED)
        except OSError as error:
            file = f"{error.filename}: " if error.filename else ""
            return _fail(f"{file}{error.strerror or error}")
        except (BotoCoreError, ClientError) as error:
            return _fail(describe(error))
        except ClassifierError as error:
            return _fail(str(error))
        return 0


class Group(Command, click.Group):
    """Commands below one name; their failures are as those of ``Command``."""


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Let Ctrl-C take effect at the end, not within.

    NumPy and OpenCV, interrupted while they are imported, raise an ImportError about NumPy's core.
    boto3, interrupted while it signs, may raise an error of its signer (awscrt).
    """
    is_interrupted = False

    def hold(*_: object) -> None:
        nonlocal is_interrupted
        is_interrupted = True

    before = signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if is_interrupted:
        raise KeyboardInterrupt


def _fail(message: str, status: int = 1) -> int:
    click.echo(f"Error: {message}".replace("\n", " "), err=True)
    return status
