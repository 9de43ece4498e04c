"""Files and bundles on the disk, read."""

import json
from pathlib import Path
from typing import Any

from classifier.model.bundle import MANIFEST, Bundle, Folder, Store, read_bundle
from tools.errors import ToolError

# What the function reads of a manifest, and every bundle has.
_REQUIRED = frozenset({"name", "version", "files", "input", "output", "precision", "source"})


def read_file(path: Path) -> bytes:
    """The content of ``path``. Raises ToolError, which names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from error


def read_manifest(store: Store) -> dict[str, Any]:
    """The manifest in ``store``, every member; empty where there is none."""
    try:
        members: dict[str, Any] = json.loads(store.read(MANIFEST))
    except FileNotFoundError:
        return {}
    return members


def read_notes(store: Store) -> dict[str, Any]:
    """The members of the manifest in ``store`` that a bundle need not have."""
    return {name: value for name, value in read_manifest(store).items() if name not in _REQUIRED}


def open_folder(folder: Path) -> Bundle:
    """The bundle in ``folder``, every checksum verified.

    Raises BundleError: it is broken. ToolError: there is no such folder.
    """
    if not folder.is_dir():
        raise ToolError(f"{folder}: no such folder")
    return read_bundle(Folder(folder))
