"""The check before traffic: the new version classifies a known image, or gets no request at all.

CodeDeploy calls this function when a deployment has made a version and before it shifts the first
request to it. NEW_VERSION names that version. PROBE_LABEL and PROBE_PROBABILITY, where they are
set, are what the same image got from the same bundle on the machine that deployed it: a layer
with another decoder, swapped channels or a wrong model does not give the same answer again.
"""

import base64
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

PROBE = Path(__file__).with_name("probe.jpg")
# int8 and float32 kernels differ a little from one kind of processor to the next.
TOLERANCE = 0.05
# Requests of callers share the function's concurrency. The hook itself has 120 seconds.
THROTTLED_S = 80.0
_PAUSE_S = 2.0

type Invoke = Callable[[dict[str, Any]], dict[str, Any]]

logger = logging.getLogger()
logger.setLevel(logging.INFO)


class UnfitError(Exception):
    """The version must not get traffic; the message says why."""


def handler(event: dict[str, str], _: Any) -> str:
    """Check the version and report to CodeDeploy; returns the status."""
    try:
        check(_invoke, os.environ.get("PROBE_LABEL", ""), os.environ.get("PROBE_PROBABILITY", ""))
        status = "Succeeded"
        logger.info("The new version is fit for traffic.")
    except Exception as error:
        # Whatever went wrong: without a report the deployment waits for an hour.
        status = "Failed"
        logger.exception("The new version gets no traffic: %s", error)  # noqa: TRY401
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
    return status


def check(invoke: Invoke, label: str, probability: str) -> None:
    """Check the version behind ``invoke``, which turns an event into an answer.

    label, probability: the best label of the probe and its probability; empty: any.

    Raises UnfitError.
    """
    _answer(invoke(_request("GET", "/health")))
    image = base64.b64encode(PROBE.read_bytes()).decode()
    first, again = (
        _answer(invoke(_request("POST", "/predict", "image/jpeg", image)))["labels"]
        for _ in range(2)
    )
    if first != again:
        raise UnfitError(f"the same image got {first[0]} and then {again[0]}")
    values = [each["probability"] for each in first]
    if not values or not all(0 <= value <= 1 for value in values) or sum(values) > 1.001:
        raise UnfitError(f"these are no probabilities: {values}")
    # Among the first five, not the first: the two best may be all but equal.
    labels = {each["label"]: each["probability"] for each in first}
    if label and abs(labels.get(label, 0.0) - float(probability)) > TOLERANCE:
        raise UnfitError(f"the probe should be {label!r} with {probability}, and got {labels}")


def _answer(response: dict[str, Any]) -> dict[str, Any]:
    if response.get("statusCode") != 200:
        raise UnfitError(f"it answered {json.dumps(response)[:1000]}")
    body: dict[str, Any] = json.loads(response["body"])
    return body


def _request(method: str, path: str, content_type: str = "", body: str = "") -> dict[str, Any]:
    """An event as the REST API sends it; ``body`` is base64."""
    return {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "headers": {"content-type": content_type} if content_type else {},
        "queryStringParameters": None,
        "requestContext": {"requestId": "pre-traffic"},
        "body": body or None,
        "isBase64Encoded": bool(body),
    }


def _invoke(event: dict[str, Any]) -> dict[str, Any]:
    """What the new version answers. Raises UnfitError: it fails."""
    # One try, and longer than the function's own time-out: a version that is slow is not fit.
    client = boto3.client(
        "lambda", config=Config(read_timeout=40, retries={"total_max_attempts": 1})
    )
    until = time.monotonic() + THROTTLED_S
    while True:
        try:
            answer = client.invoke(
                FunctionName=os.environ["NEW_VERSION"], Payload=json.dumps(event)
            )
            break
        except ClientError as error:
            # That all environments are busy says nothing about the version.
            if error.response["Error"]["Code"] != "TooManyRequestsException":
                raise
            if time.monotonic() > until:
                raise UnfitError("Lambda throttles it; deploy when it is less busy") from error
            time.sleep(_PAUSE_S)
    payload = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise UnfitError(f"it failed: {json.dumps(payload)[:1000]}")
    response: dict[str, Any] = payload
    return response
