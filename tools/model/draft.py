"""A bundle before it has a place: checked in memory, then written whole."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from classifier.image.preprocessing import Preprocessing
from classifier.model.bundle import MANIFEST, Bundle, Folder, Store, read_bundle
from classifier.model.labels import parse_labels
from classifier.model.manifest import ROLES, File, Manifest, Output, parse_manifest
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model.destination import new_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def today() -> str:
    """The version of a bundle that is made now: the date, UTC."""
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True)
class NewBundle:
    """Everything that a bundle holds.

    symbol, params, labels: the three files' contents.
    origins: what errors call them, by role; by default the names that they get.
    notes: further members of the manifest, such as a measured accuracy.
    """

    name: str
    preprocessing: Preprocessing
    probabilities: bool
    source: str
    symbol: bytes
    params: bytes
    labels: bytes
    version: str = field(default_factory=today)
    precision: str = "float32"
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def model(self) -> Model:
        """The network, bound and run once: the check that the function makes when it starts.

        Raises BundleError, which opens with the file that is at fault.
        """
        keys = self._keys() | dict(self.origins)
        manifest = Manifest(
            name=self.name,
            version=self.version,
            files={role: File(keys[role]) for role in ROLES},
            input=self.preprocessing,
            output=Output(self.probabilities),
            precision=self.precision,
            source=self.source,
        )
        labels = parse_labels(self.labels, keys["labels"])
        return Model.load(Bundle(manifest, self.symbol, self.params, labels))

    def write(self, to: Path) -> Manifest:
        """Check the bundle and write it into the folder ``to``, which must not hold anything.

        Raises BundleError: the network, its parameters, its labels and its preprocessing do not fit
        together. ToolError: ``to`` is taken, or the name is none.
        """
        if not _NAME.fullmatch(self.name):
            raise ToolError(f"{self.name!r} is no name: use letters, digits, dots, - and _")
        manifest = self._manifest()
        parse_manifest(manifest, "the preprocessing")  # before seconds go into the network
        self.model()
        with new_folder(to) as folder:
            for role, key in self._keys().items():
                (folder / key).write_bytes(self._content(role))
            (folder / MANIFEST).write_bytes(manifest)
            return read_bundle(Folder(folder)).manifest

    def _keys(self) -> dict[str, str]:
        return {
            "symbol": f"{self.name}-symbol.json",
            "params": f"{self.name}-0000.params",
            "labels": "synset.txt",
        }

    def _content(self, role: str) -> bytes:
        return {"symbol": self.symbol, "params": self.params, "labels": self.labels}[role]

    def _manifest(self) -> bytes:
        files = {
            role: {
                "key": key,
                "sha256": hashlib.sha256(self._content(role)).hexdigest(),
                "bytes": len(self._content(role)),
            }
            for role, key in self._keys().items()
        }
        members = {
            "name": self.name,
            "version": self.version,
            "files": files,
            "input": dataclasses.asdict(self.preprocessing),
            "output": {"probabilities": self.probabilities},
            "precision": self.precision,
            "source": self.source,
        }
        return (json.dumps(members | dict(self.notes), indent=2) + "\n").encode()


def read_file(path: Path) -> bytes:
    """The content of ``path``. Raises ToolError, which names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from error


def read_notes(store: Store) -> dict[str, Any]:
    """The members of the manifest in ``store`` that the function does not read."""
    try:
        members = json.loads(store.read(MANIFEST))
    except FileNotFoundError:
        return {}
    known = {field.name for field in dataclasses.fields(Manifest)} | {"output"}
    return {name: value for name, value in members.items() if name not in known}


def open_folder(folder: Path) -> Bundle:
    """The bundle in ``folder``, every checksum verified.

    Raises BundleError: it is broken. ToolError: there is no such folder.
    """
    if not folder.is_dir():
        raise ToolError(f"{folder}: no such folder")
    return read_bundle(Folder(folder))
