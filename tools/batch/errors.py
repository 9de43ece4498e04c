"""What the tool cannot do, told in one line."""


class ToolError(Exception):
    """The message says what is wrong, and where it helps, what to do."""
