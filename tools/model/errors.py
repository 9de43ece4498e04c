"""The one error of the model tool."""


class ToolError(Exception):
    """What was asked for cannot be done; the message is one line and says what to change."""
