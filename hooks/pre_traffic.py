"""The gate before traffic: the new version classifies a known image, or gets no request at all.

CodeDeploy calls this function when a deployment has made a version and before it shifts the first
request to it. NEW_VERSION names that version. PROBE_LABEL and PROBE_PROBABILITY, where they are
set, are what the same image got from the same bundle on the machine that deployed it: a layer
with another decoder, swapped channels or a wrong model does not give the same answer again.
"""

import base64
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

PROBE = Path(__file__).with_name("probe.jpg")
# int8 and float32 kernels differ a little from one kind of processor to the next.
TOLERANCE = 0.05

type Invoke = Callable[[dict[str, Any]], dict[str, Any]]

logger = logging.getLogger()
logger.setLevel(logging.INFO)


class UnfitError(Exception):
    """The version must not get traffic; the message says why."""


def handler(event: dict[str, str], _: Any) -> str:
    """Check the version and tell CodeDeploy; returns what it was told."""
    try:
        check(_invoke, os.environ.get("PROBE_LABEL", ""), os.environ.get("PROBE_PROBABILITY", ""))
        status = "Succeeded"
        logger.info("The new version is fit for traffic.")
    except Exception as error:
        # Whatever went wrong: silence would hold the deployment up for an hour.
        status = "Failed"
        logger.exception("The new version gets no traffic: %s", error)  # noqa: TRY401
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
    return status


def check(invoke: Invoke, label: str, probability: str) -> None:
    """Hold the version behind ``invoke``, an event -> its answer, to what a fit one does.

    label, probability: the best label of the probe and its probability; empty: not known.

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
    chances = [each["probability"] for each in first]
    if not chances or not all(0 <= chance <= 1 for chance in chances) or sum(chances) > 1.001:
        raise UnfitError(f"these are no probabilities: {chances}")
    # Among the first five, not the first: the two best may be all but equal.
    found = {each["label"]: each["probability"] for each in first}
    if label and abs(found.get(label, 0.0) - float(probability)) > TOLERANCE:
        raise UnfitError(f"the probe should be {label!r} with {probability}, and got {found}")


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
    # One try, and longer than the function's own time-out: a version that is slow is not fit.
    client = boto3.client(
        "lambda", config=Config(read_timeout=40, retries={"total_max_attempts": 1})
    )
    answer = client.invoke(FunctionName=os.environ["NEW_VERSION"], Payload=json.dumps(event))
    payload = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise UnfitError(f"it failed: {json.dumps(payload)[:1000]}")
    response: dict[str, Any] = payload
    return response
