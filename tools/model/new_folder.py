"""A folder that appears whole, or not at all: a bundle is written into one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.errors import ToolError


def refuse_existing(folder: Path) -> None:
    """Raises ToolError unless ``folder`` is empty, or absent where it can be made.

    A bundle never changes. Commands look before their work, which may take minutes.
    """
    if not folder.exists() and not folder.is_symlink():
        parent = next(parent for parent in folder.absolute().parents if parent.exists())
        if not parent.is_dir():
            raise ToolError(f"{folder}: {parent} is no folder; choose another place")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise ToolError(f"{folder}: {parent} cannot be written; choose another place")
        return
    if not folder.is_dir():
        raise ToolError(f"{folder}: not a folder")
    if any(folder.iterdir()):
        raise ToolError(
            f"{folder}: is not empty, and a bundle is never changed; choose another folder,"
            " or remove this one first"
        )


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``folder`` when the block ends, and vanishes if it fails.

    It is a sibling, so that the last step is one rename: nobody ever sees half a bundle.

    Raises ToolError: ``folder`` is not empty. OSError: the disk refuses.
    """
    refuse_existing(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp's is for its owner alone
        temporary.rename(folder)  # takes an empty folder's place, and no other's
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
