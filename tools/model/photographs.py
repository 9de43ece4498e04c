"""Photographs that the environment has anyway: the two that scikit-learn ships.

A temple in China and a flower, 640 x 427 pixels, JPEG, CC BY 2.0 (scikit-learn's
``datasets/images/README.txt`` names the photographers).
"""

from importlib.util import find_spec
from pathlib import Path

from tools.errors import ToolError

_FILES = ("china.jpg", "flower.jpg")


def photographs() -> list[Path]:
    """The files. Raises ToolError: scikit-learn is not installed."""
    package = find_spec("sklearn")  # importing it takes a second
    if package is None or package.origin is None:
        raise ToolError("scikit-learn, whose photographs are used, is missing: give --images")
    folder = Path(package.origin).parent / "datasets" / "images"
    return [folder / name for name in _FILES]
