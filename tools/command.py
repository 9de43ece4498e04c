"""How a tool's command line ends: with an exit status, and one line of what went wrong."""

from collections.abc import Sequence

import click


def run(
    cli: click.Group,
    arguments: Sequence[str],
    *,
    name: str,
    interrupted: str,
    errors: tuple[type[Exception], ...],
) -> int:
    """Run one command of ``cli`` and return its exit status; no failure shows a trace.

    name: what the help calls the tool. interrupted: what Ctrl-C left behind, in words. errors:
    those whose own message tells people what to do.
    """
    try:
        return cli.main(list(arguments), prog_name=name, standalone_mode=False) or 0
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return _fail(error.format_message() + hint, error.exit_code)
    except click.Abort:
        return _fail(f"interrupted; {interrupted}", 130)
    except errors as error:
        return _fail(str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}")


def _fail(message: str, status: int = 1) -> int:
    click.echo(f"Error: {message}".replace("\n", " "), err=True)
    return status
