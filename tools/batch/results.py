"""What executions left in the bucket of results."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Any

from tools.batch.deployment import Deployment
from tools.errors import ToolError

# What may go well another time. The rest lies in the image or in the manifest.
PASSING = frozenset({"fetch-failed", "fetch-timeout", "internal-error", "model-unavailable"})

LOST = ("FAILED", "PENDING")

type Line = dict[str, Any]
type Place = tuple[str | None, str | None]


@dataclass
class Summary:
    """How many images came to what. ``lost`` are in batches that came to nothing."""

    labelled: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    def add(self, line: Line) -> None:
        """Count one line of results."""
        if "error" in line:
            self.refused[line["error"]["code"]] += 1
        else:
            self.labelled += 1


def write(out: IO[str], line: Line) -> None:
    """Write one line of results."""
    out.write(json.dumps(line, ensure_ascii=False) + "\n")


def collect(deployment: Deployment, executions: Sequence[str], out: IO[str]) -> Summary:
    """Write a line for each image of ``executions`` (their names) to ``out``.

    Where an execution tried an image again that an earlier one failed on, the later line
    alone is written. Batches that came to nothing have no lines; their images are counted.

    Raises ToolError: there are no results.
    """
    summary = Summary()
    later: set[Place] = set()
    for name in reversed(executions):
        here: set[Place] = set()
        for line in succeeded(deployment, name):
            place = (line["bucket"], line["key"])
            here.add(place)
            if place in later:
                continue
            summary.add(line)
            write(out, line)
        for place in lost(deployment, name):
            summary.lost += place not in later
            here.add(place)
        later |= here
    return summary


def failed(deployment: Deployment, name: str) -> Iterator[Place]:
    """The images of the execution ``name`` that are worth another try. Raises ToolError."""
    yield from lost(deployment, name)
    for line in succeeded(deployment, name):
        if "error" in line and line["error"]["code"] in PASSING:
            yield line["bucket"], line["key"]


def succeeded(deployment: Deployment, name: str) -> Iterator[Line]:
    """The lines of every image in a batch that was answered. Raises ToolError."""
    return _lines(deployment, name, "SUCCEEDED")


def lost(deployment: Deployment, name: str) -> Iterator[Place]:
    """The images in batches that came to nothing. Raises ToolError."""
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
    """The newest of the execution's manifests: a redriven one may have begun all over again."""
    pages = deployment.s3.get_paginator("list_objects_v2").paginate(
        Bucket=deployment.results, Prefix=f"{name}/"
    )
    manifests = [
        found
        for page in pages
        for found in page.get("Contents", [])
        if found["Key"].endswith("/manifest.json")
    ]
    if not manifests:
        raise ToolError(f"{name} has no results: it is running yet, or failed before its first")
    newest = max(manifests, key=lambda found: found["LastModified"])
    answer = deployment.s3.get_object(Bucket=deployment.results, Key=newest["Key"])
    manifest: dict[str, Any] = json.loads(answer["Body"].read())
    return manifest
