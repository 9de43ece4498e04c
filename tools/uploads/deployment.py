"""A deployed stack's parts that classify uploads."""

from dataclasses import dataclass
from typing import Any, Self

import boto3

from tools.errors import ToolError
from tools.outputs import UPLOAD_DEAD_LETTERS, UPLOAD_LOGS, UPLOAD_QUEUE, read_outputs


@dataclass(frozen=True)
class Deployment:
    """Where uploads are classified.

    queue, dead_letters: URLs. log_group: the function's.
    sqs, cloudwatch, logs: boto3 clients of the stack's region.
    """

    queue: str
    dead_letters: str
    log_group: str
    sqs: Any
    cloudwatch: Any
    logs: Any

    @classmethod
    def find(cls, stack: str, region: str | None) -> Self:
        """The deployment of CloudFormation's stack ``stack``.

        Raises ToolError: it was deployed without uploads.
        """
        session = boto3.Session(region_name=region)
        outputs = read_outputs(session.client("cloudformation"), stack)
        names = (UPLOAD_QUEUE, UPLOAD_DEAD_LETTERS, UPLOAD_LOGS)
        if any(name not in outputs for name in names):
            raise ToolError(
                f"stack {stack} classifies no uploads: deploy it with UploadBuckets, the buckets to"
                " watch"
            )
        queue, dead_letters, log_group = (outputs[name] for name in names)
        return cls(
            queue,
            dead_letters,
            log_group,
            session.client("sqs"),
            session.client("cloudwatch"),
            session.client("logs"),
        )
