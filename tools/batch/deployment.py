"""A deployed stack's parts that run batches: the state machine and the bucket of results."""

from dataclasses import dataclass
from typing import Any, Self

import boto3

from tools.errors import ToolError
from tools.outputs import BATCH_RESULTS, BATCH_STATE_MACHINE, read_outputs


@dataclass(frozen=True)
class Deployment:
    """Where batches run.

    state_machine: an ARN. results: a bucket.
    step_functions, s3: boto3 clients of the stack's region.
    """

    state_machine: str
    results: str
    step_functions: Any
    s3: Any

    @classmethod
    def find(cls, stack: str, region: str | None) -> Self:
        """The deployment of CloudFormation's stack ``stack``.

        Raises ToolError: it was deployed without batches.
        """
        session = boto3.Session(region_name=region)
        outputs = read_outputs(session.client("cloudformation"), stack)
        missing = [name for name in (BATCH_STATE_MACHINE, BATCH_RESULTS) if name not in outputs]
        if missing:
            raise ToolError(
                f"stack {stack} runs no batches: deploy it with BatchBuckets, the buckets to read"
            )
        return cls(
            outputs[BATCH_STATE_MACHINE],
            outputs[BATCH_RESULTS],
            session.client("stepfunctions"),
            session.client("s3"),
        )

    def arn(self, execution: str) -> str:
        """The ARN of ``execution``, which may be its name alone."""
        if execution.startswith("arn:"):
            return execution
        return self.state_machine.replace(":stateMachine:", ":execution:") + f":{execution}"
