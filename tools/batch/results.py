"""The results of executions, read from their bucket."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from tools.batch.deployment import Deployment
from tools.errors import ToolError

# Errors that may not happen again. The others lie in the image or in the manifest.
RETRYABLE = frozenset({"fetch-failed", "fetch-timeout", "internal-error", "model-unavailable"})

LOST = ("FAILED", "PENDING")

type Line = dict[str, Any]
type Write = Callable[[Line], object]
type Location = tuple[str | None, str | None]  # bucket and key


@dataclass
class Summary:
    """Counts of images. errors: by code. lost: of failed batches, which have no results."""

    classified: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    def add(self, line: Line) -> None:
        """Count one line of results."""
        if "error" in line:
            self.errors[line["error"]["code"]] += 1
        else:
            self.classified += 1


def collect(deployment: Deployment, executions: Sequence[str], write: Write) -> Summary:
    """Call ``write`` with a line for each image of ``executions`` (their names).

    Of an image that a later execution retried, only the later line is written. Batches that
    failed have no lines; their images are counted.

    Raises ToolError: there are no results.
    """
    summary = Summary()
    later: set[Location] = set()
    for name in reversed(executions):
        locations: set[Location] = set()
        for line in succeeded(deployment, name):
            location = (line["bucket"], line["key"])
            locations.add(location)
            if location not in later:
                summary.add(line)
                write(line)
        for location in lost(deployment, name):
            locations.add(location)
            summary.lost += location not in later
        later |= locations
    return summary


def retryable(deployment: Deployment, name: str) -> Iterator[Location]:
    """The images of the execution ``name`` that another try may classify. Raises ToolError."""
    yield from lost(deployment, name)
    for line in succeeded(deployment, name):
        if "error" in line and line["error"]["code"] in RETRYABLE:
            yield line["bucket"], line["key"]


def succeeded(deployment: Deployment, name: str) -> Iterator[Line]:
    """The lines of all images in batches that succeeded. Raises ToolError."""
    return _lines(deployment, name, "SUCCEEDED")


def lost(deployment: Deployment, name: str) -> Iterator[Location]:
    """The images in batches that failed. Raises ToolError."""
    for line in chain.from_iterable(_lines(deployment, name, status) for status in LOST):
        batch = json.loads(line["Input"])
        bucket = batch.get("BatchInput", {}).get("bucket")
        for item in batch["Items"]:
            yield item.get("Bucket") or bucket, item.get("Key")


def _lines(deployment: Deployment, name: str, status: str) -> Iterator[Line]:
    for file in _manifest(deployment, name)["ResultFiles"][status]:
        body = deployment.s3.get_object(Bucket=deployment.results, Key=file["Key"])["Body"]
        for line in body.iter_lines():
            if line:
                yield json.loads(line)


def _manifest(deployment: Deployment, name: str) -> dict[str, Any]:
    """The newest of the execution's manifests: a redriven execution may have several."""
    pages = deployment.s3.get_paginator("list_objects_v2").paginate(
        Bucket=deployment.results, Prefix=f"{name}/"
    )
    manifests = [
        entry
        for page in pages
        for entry in page.get("Contents", [])
        if entry["Key"].endswith("/manifest.json")
    ]
    if not manifests:
        raise ToolError(
            f"{name} has no results: it still runs, or failed before the first; follow it"
        )
    newest = max(manifests, key=lambda entry: entry["LastModified"])
    response = deployment.s3.get_object(Bucket=deployment.results, Key=newest["Key"])
    manifest: dict[str, Any] = json.loads(response["Body"].read())
    return manifest
