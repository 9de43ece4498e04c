"""The template's outputs that tools read, by name."""

from typing import Any

BATCH_STATE_MACHINE = "BatchStateMachineArn"
BATCH_RESULTS = "BatchResultsBucket"
UPLOAD_RESULTS = "UploadResultsBucket"
UPLOAD_QUEUE = "UploadQueueUrl"
UPLOAD_DEAD_LETTERS = "UploadDeadLettersUrl"
UPLOAD_LOGS = "UploadLogGroup"
RESULTS = (BATCH_RESULTS, UPLOAD_RESULTS)  # buckets that outlive the stack


def read_outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    """The outputs of the stack ``stack`` by name, through a boto3 client of its region."""
    [description] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
