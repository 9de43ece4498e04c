"""One execution of the state machine: start it, follow it, try its failures again."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tools.batch.deployment import Deployment
from tools.batch.results import failed
from tools.errors import ToolError

ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


@dataclass(frozen=True)
class Progress:
    """Where an execution is. Counts are of images; ``failed`` are in batches that failed."""

    status: str
    done: int = 0
    failed: int = 0
    total: int = 0
    cause: str = ""


def start(deployment: Deployment, source: Mapping[str, Any]) -> str:
    """Start an execution with the input ``source``; returns its ARN."""
    return _start(deployment, _name(), source)


def follow(
    deployment: Deployment,
    arn: str,
    every_s: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Progress]:
    """Where the execution is, every ``every_s`` seconds, until it has ended."""
    while True:
        progress = look(deployment, arn)
        yield progress
        if progress.status in ENDED:
            return
        sleep(every_s)


def look(deployment: Deployment, arn: str) -> Progress:
    """Where the execution is now."""
    steps = deployment.steps
    execution = steps.describe_execution(executionArn=arn)
    counts: Mapping[str, int] = {}
    if runs := steps.list_map_runs(executionArn=arn)["mapRuns"]:
        newest = max(runs, key=lambda run: run["startDate"])
        counts = steps.describe_map_run(mapRunArn=newest["mapRunArn"])["itemCounts"]
    return Progress(
        status=execution["status"],
        done=counts.get("succeeded", 0),
        failed=sum(counts.get(name, 0) for name in ("failed", "timedOut", "aborted")),
        total=counts.get("total", 0),
        cause=": ".join(execution[name] for name in ("error", "cause") if execution.get(name)),
    )


def redrive(deployment: Deployment, arn: str) -> str | None:
    """Try again what failed; returns the ARN of the execution that does, or None: nothing did.

    An execution that ended badly goes on where it stopped. One that ended well may still hold
    failures, few enough to be tolerated, and images that could not be fetched: they go to a
    new execution, each in a batch of its own, so that an image that ends the function takes no
    other with it.

    Raises ToolError: it has not ended yet.
    """
    execution = deployment.steps.describe_execution(executionArn=arn)
    if execution["status"] not in ENDED:
        raise ToolError(f"{execution['name']} is still running: follow it first")
    if execution["status"] != "SUCCEEDED":
        deployment.steps.redrive_execution(executionArn=arn)
        return arn
    items = [
        json.dumps({"Bucket": bucket, "Key": key})
        for bucket, key in failed(deployment, execution["name"])
    ]
    if not items:
        return None
    name = _name()
    manifest = f"manifests/{name}.jsonl"
    body = "\n".join(items).encode()
    deployment.s3.put_object(Bucket=deployment.results, Key=manifest, Body=body)
    given = json.loads(execution["input"])
    options = {key: given[key] for key in ("top_k", "min_probability") if key in given}
    place = {"bucket": deployment.results, "jsonl": manifest, "items_per_batch": 1}
    return _start(deployment, name, options | place)


def _start(deployment: Deployment, name: str, source: Mapping[str, Any]) -> str:
    answer = deployment.steps.start_execution(
        stateMachineArn=deployment.state_machine, name=name, input=json.dumps(source)
    )
    return str(answer["executionArn"])


def _name() -> str:
    """A name that says when, and that no other execution has."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:6]}"
