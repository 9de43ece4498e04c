"""The two photographs that scikit-learn ships.

A temple in China and a flower, 640 x 427 pixels, JPEG, CC BY 2.0 (scikit-learn's
``datasets/images/README.txt`` names the photographers).
"""

from importlib.util import find_spec
from pathlib import Path

from tools.packages import require

_FILES = ("china.jpg", "flower.jpg")


def photographs() -> list[Path]:
    """The files. Raises ToolError: scikit-learn is missing and cannot be installed."""
    require("train", "sklearn")
    package = find_spec("sklearn")  # importing it takes a second
    assert package
    assert package.origin
    folder = Path(package.origin).parent / "datasets" / "images"
    return [folder / name for name in _FILES]
