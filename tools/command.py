"""The command line of every tool: a failure is one line on standard error and an exit status.

``@click.command(NAME, cls=Command)`` or ``@click.group(NAME, cls=Group)``; both take two more options:

interrupted: what Ctrl-C leaves behind, in words.
usage_status: the exit status of a wrong argument.
"""

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from botocore.exceptions import BotoCoreError, ClientError

from classifier.errors import ClassifierError

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


class Command(click.Command):
    """A command whose failures show no trace. ``-h`` is ``--help``.

    Its name is how people call it: ``scripts/run.py``.
    """

    def __init__(
        self, *arguments: Any, interrupted: str = "", usage_status: int = 2, **options: Any
    ) -> None:
        settings = {"help_option_names": ["-h", "--help"]} | options.pop("context_settings", {})
        super().__init__(*arguments, context_settings=settings, **options)
        self._interrupted = interrupted
        self._usage_status = usage_status

    def main(self, *arguments: Any, **options: Any) -> NoReturn:  # type: ignore[override]
        """As in click, but errors are one line."""
        sys.exit(self._run(*arguments, **options))

    def run(self, arguments: Sequence[str]) -> int:
        """Run the command line ``arguments``; returns the exit status."""
        try:
            self.main(list(arguments))
        except SystemExit as end:
            return int(end.code or 0)

    def _run(self, *arguments: Any, **options: Any) -> int:
        options.setdefault("prog_name", self.name)
        try:
            # Without standalone mode click raises its errors, and shows none of them.
            super().main(*arguments, **options, standalone_mode=False)
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
        except (ClassifierError, BotoCoreError, ClientError) as error:
            return _fail(str(error))
        return 0


class Group(Command, click.Group):
    """Commands below one name, with failures as those of ``Command``."""


def _fail(message: str, status: int = 1) -> int:
    click.echo(f"Error: {message}".replace("\n", " "), err=True)
    return status
