"""The packages that only the benchmarks need."""

from importlib.util import find_spec

from tools.errors import ToolError


def check_packages(*names: str) -> None:
    """Raises ToolError, before anything is measured: a package is missing."""
    if missing := [name for name in names if not find_spec(name)]:
        raise ToolError(
            f"{', '.join(missing)} not installed: `make bench` and `make load` install what they"
            " need"
        )
