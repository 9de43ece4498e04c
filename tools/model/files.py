"""Files and bundles on the disk, read."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from classifier.model.bundle import MANIFEST, Bundle, Folder, Store, read_bundle
from classifier.model.manifest import Manifest
from tools.errors import ToolError


def read_file(path: Path) -> bytes:
    """The content of ``path``. Raises ToolError, which names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from error


def read_notes(store: Store) -> dict[str, Any]:
    """The members of the manifest in ``store`` that the function does not read."""
    try:
        members: dict[str, Any] = json.loads(store.read(MANIFEST))
    except FileNotFoundError:
        return {}
    function_fields = {field.name for field in dataclasses.fields(Manifest)}
    return {name: value for name, value in members.items() if name not in function_fields}


def open_folder(folder: Path) -> Bundle:
    """The bundle in ``folder``, every checksum verified.

    Raises BundleError: it is broken. ToolError: there is no such folder.
    """
    if not folder.is_dir():
        raise ToolError(f"{folder}: no such folder")
    return read_bundle(Folder(folder))
