"""What an operator cannot do, and what an engine says."""


class UnsupportedError(Exception):
    """A use of an operator that MXNet cannot do. ``remedy``: what to do instead."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def first_line(error: Exception) -> str:
    """What an engine says, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]
