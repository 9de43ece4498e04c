"""The error of every tool."""

import click


class ToolError(click.ClickException):
    """A command cannot do what was asked for: one line that says what is wrong, then what to do."""
