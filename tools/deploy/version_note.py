"""The note in a function's code that makes a new version.

SAM publishes a version where the code has changed, and by nothing else: neither a changed layer
nor a changed parameter nor a changed time-out would reach traffic.
https://github.com/aws/serverless-application-model/issues/3610
So the code holds a note of all that a version consists of, and it changes with any of it. Where
nothing has changed the note is the same, and no version is made.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

NAME = "deployment.json"

# They say how this deploy goes, not what a version is.
_NOT_OF_A_VERSION = frozenset({"DeploymentAlarms", "DeploymentType"})


def write(template: Path, values: Mapping[str, str]) -> None:
    """Write the note into the code of every function that publishes versions.

    template: what `sam build` left. values: the parameters in effect, defaults included.
    """
    text = template.read_text(encoding="utf-8")
    built = yaml_parse(text)
    note = {
        "layers": {
            name: _digest(template.parent / resource["Properties"]["ContentUri"])
            for name, resource in built["Resources"].items()
            if resource["Type"] == "AWS::Serverless::LayerVersion"
        },
        "parameters": {
            name: value for name, value in values.items() if name not in _NOT_OF_A_VERSION
        },
        "template": hashlib.sha256(text.encode()).hexdigest(),
    }
    for folder in _versioned(built):
        file = template.parent / folder / NAME
        file.write_text(json.dumps(note, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _versioned(built: Mapping[str, Any]) -> Iterator[str]:
    """The code folders of functions with an alias of SAM's."""
    for resource in built["Resources"].values():
        properties = resource.get("Properties", {})
        if "AutoPublishAlias" in properties:
            yield properties.get("CodeUri") or built["Globals"]["Function"]["CodeUri"]


def _digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all files below ``folder``."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()
