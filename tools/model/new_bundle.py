"""A bundle that is being made: checked in memory, then written whole."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from classifier.image.preprocessing import Preprocessing
from classifier.model.bundle import MANIFEST, Bundle, Folder, read_bundle
from classifier.model.labels import parse_labels
from classifier.model.manifest import ROLES, File, Manifest, Output, parse_manifest
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model.architectures.architecture import Architecture
from tools.model.architectures.layer import EMBEDDING
from tools.model.new_folder import new_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(name: str, kind: str = "name") -> None:
    """Raises ToolError: ``name`` cannot be a bundle's name, or its ``kind``."""
    if not _NAME.fullmatch(name):
        raise ToolError(f"{name!r} is no {kind}; use letters, digits, dots, - and _")


def today() -> str:
    """The version of a bundle that is made now: the date, UTC."""
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True)
class NewBundle:
    """Everything that a bundle holds.

    symbol, params, labels: the three files' contents.
    description: what the network knows. licence: of its weights.
    embedding, features: names of the symbol's outputs before the last layer, (n, length) float32,
    and before the global average, (n, channels, height, width) float32.
    probabilities, activation: see Output.
    origins: what errors call the files, by role; by default the names that they get.
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
    description: str = ""
    licence: str = ""
    embedding: str = ""
    features: str = ""
    activation: str = "softmax"
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, architecture: Architecture, **members: Any) -> Self:
        """The bundle of a network that is built here; members: params, labels, source, and more."""
        defaults = {
            "name": architecture.name,
            "preprocessing": architecture.preprocessing,
            "probabilities": False,
            "symbol": architecture.symbol().tojson().encode(),
            "embedding": EMBEDDING,
            "features": architecture.features,
        }
        return cls(**(defaults | members))

    @classmethod
    def like(cls, bundle: Bundle, labels: bytes, **members: Any) -> Self:
        """A bundle that differs from ``bundle`` in ``members``; labels: its label file."""
        manifest = bundle.manifest
        same: dict[str, Any] = {
            "name": manifest.name,
            "version": manifest.version,
            "preprocessing": manifest.input,
            "probabilities": manifest.output.probabilities,
            "activation": manifest.output.activation,
            "precision": manifest.precision,
            "source": manifest.source,
            "symbol": bundle.symbol,
            "params": bundle.params,
            "labels": labels,
            "description": manifest.description,
            "licence": manifest.licence,
            "embedding": manifest.output.embedding,
            "features": manifest.output.features,
        }
        return cls(**(same | members))

    def model(self) -> Model:
        """The network, bound and run once: the check that the function makes when it starts.

        Raises BundleError, which begins with the file that is wrong.
        """
        keys = self._keys() | dict(self.origins)
        manifest = Manifest(
            name=self.name,
            version=self.version,
            files={role: File(keys[role]) for role in ROLES},
            input=self.preprocessing,
            output=Output(self.probabilities, self.embedding, self.features, self.activation),
            precision=self.precision,
            source=self.source,
        )
        labels = parse_labels(self.labels, keys["labels"])
        return Model.load(Bundle(manifest, self.symbol, self.params, labels))

    def check(self) -> None:
        """Check that the network, its parameters, its labels and its preprocessing fit together.

        Raises BundleError: they do not. ToolError: the name or the version is not valid.
        """
        check_name(self.name)
        check_name(self.version, "version")
        # Before seconds go into the network.
        parse_manifest(self._manifest(), "the preprocessing")
        self.model()

    def write(self, to: Path) -> Manifest:
        """Check the bundle and write it into the folder ``to``, which must be absent or empty.

        Raises BundleError: the network, its parameters, its labels and its preprocessing do not fit
        together. ToolError: ``to`` is not empty, or the name is not valid.
        """
        self.check()
        with new_folder(to) as folder:
            for role, key in self._keys().items():
                (folder / key).write_bytes(self._content(role))
            (folder / MANIFEST).write_bytes(self._manifest())
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
        output = {"embedding": self.embedding, "features": self.features}
        if self.activation != "softmax":
            output["activation"] = self.activation
        members = {
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "licence": self.licence,
            "files": files,
            "input": dataclasses.asdict(self.preprocessing),
            "output": {"probabilities": self.probabilities} | _filled(output),
            "precision": self.precision,
            "source": self.source,
        }
        members = _filled(members) | dict(self.notes)
        return (json.dumps(members, indent=2) + "\n").encode()


def _filled(members: Mapping[str, Any]) -> dict[str, Any]:
    """Those members that are not empty: texts may be missing."""
    return {name: value for name, value in members.items() if value}
