"""One execution of the state machine: start it, follow it, retry its failures."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tools.batch.deployment import Deployment
from tools.batch.results import retryable
from tools.errors import ToolError

_OPTIONS = ("top_k", "min_probability", "embedding", "explain")

ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


@dataclass(frozen=True)
class State:
    """The state of an execution. Counts are of images; ``failed`` are in batches that failed."""

    status: str
    done: int = 0
    failed: int = 0
    total: int = 0
    cause: str = ""


def start(deployment: Deployment, inputs: Mapping[str, Any]) -> str:
    """Start an execution with the input ``inputs``; returns its ARN."""
    return _start(deployment, _name(), inputs)


def follow(
    deployment: Deployment,
    arn: str,
    every_s: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[State]:
    """The state of the execution, every ``every_s`` seconds, until it has ended."""
    while True:
        state = describe(deployment, arn)
        yield state
        if state.status in ENDED:
            return
        sleep(every_s)


def describe(deployment: Deployment, arn: str) -> State:
    """The state of the execution now."""
    step_functions = deployment.step_functions
    execution = step_functions.describe_execution(executionArn=arn)
    counts: Mapping[str, int] = {}
    if runs := step_functions.list_map_runs(executionArn=arn)["mapRuns"]:
        newest = max(runs, key=lambda run: run["startDate"])
        counts = step_functions.describe_map_run(mapRunArn=newest["mapRunArn"])["itemCounts"]
    return State(
        status=execution["status"],
        done=counts.get("succeeded", 0),
        failed=sum(counts.get(name, 0) for name in ("failed", "timedOut", "aborted")),
        total=counts.get("total", 0),
        cause=": ".join(execution[name] for name in ("error", "cause") if execution.get(name)),
    )


def redrive(deployment: Deployment, arn: str) -> str | None:
    """Retry what failed; returns the ARN of the execution that does, or None: nothing failed.

    An execution that failed goes on where it stopped. One that succeeded may have tolerated
    failures, and have images that could not be fetched. They go to a new execution, each in a batch
    of its own, so that an image that ends the function fails no other.

    Raises ToolError: it has not ended yet.
    """
    execution = deployment.step_functions.describe_execution(executionArn=arn)
    if execution["status"] not in ENDED:
        raise ToolError(f"{execution['name']} is still running: follow it first")
    if execution["status"] != "SUCCEEDED":
        deployment.step_functions.redrive_execution(executionArn=arn)
        return arn
    items = [
        json.dumps({"Bucket": bucket, "Key": key})
        for bucket, key in retryable(deployment, execution["name"])
    ]
    if not items:
        return None
    name = _name()
    manifest = f"manifests/{name}.jsonl"
    body = "\n".join(items).encode()
    deployment.s3.put_object(Bucket=deployment.results, Key=manifest, Body=body)
    inputs = json.loads(execution["input"])
    options = {key: inputs[key] for key in _OPTIONS if key in inputs}
    location = {"bucket": deployment.results, "jsonl": manifest, "items_per_batch": 1}
    return _start(deployment, name, options | location)


def _start(deployment: Deployment, name: str, inputs: Mapping[str, Any]) -> str:
    response = deployment.step_functions.start_execution(
        stateMachineArn=deployment.state_machine, name=name, input=json.dumps(inputs)
    )
    return str(response["executionArn"])


def _name() -> str:
    """A new name, which begins with the time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:6]}"
