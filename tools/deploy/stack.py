"""The stack: its state, `sam deploy`, what comes of it, and how it goes away."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from tools.errors import ToolError

# Nothing works in such a stack, and it takes no update: it can only be deleted.
FAILED = frozenset(
    {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}
)
ARTIFACTS = "artifacts"  # where `sam deploy` uploads to


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation describes it. state: its StackStatus."""

    name: str
    state: str
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def is_failed(self) -> bool:
        """Whether it has to be deleted before anything can be deployed under its name."""
        return self.state in FAILED


def find(cloudformation: Any, name: str) -> Stack | None:
    """The stack ``name``, None if there is none."""
    try:
        (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return Stack(
        name,
        found["StackStatus"],
        {
            each["ParameterKey"]: each.get("ParameterValue", "")
            for each in found.get("Parameters", ())
        },
        {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())},
    )


def check(stack: Stack, region: str) -> None:
    """Check that ``stack`` can be deployed to. Raises ToolError, which says what to do."""
    if stack.state == "UPDATE_ROLLBACK_FAILED":
        raise ToolError(
            f"{stack.name} in {region} is {stack.state}: run `aws cloudformation"
            f" continue-update-rollback --region {region} --stack-name {stack.name}`, then deploy"
        )
    if stack.state.endswith("_IN_PROGRESS") and not stack.is_failed:
        raise ToolError(
            f"{stack.name} in {region} is {stack.state}: wait until that has ended, then deploy"
        )


def deploy(
    template: Path,
    stack: str,
    region: str,
    bucket: str,
    values: Mapping[str, str],
    *,
    tags: Sequence[str] = (),
    execute: bool = True,
) -> None:
    """Upload, make the change set and execute it, with `sam deploy`, which shows how it goes.

    values: parameters. tags: ``NAME=VALUE``, of every resource. execute: whether the change set is
    executed; else it is shown and stays.

    Raises ToolError: it failed; what it said stands above.
    """
    command = [
        *(str(Path(sys.executable).with_name("sam")), "deploy"),
        *("--template-file", str(template)),
        *("--stack-name", stack),
        *("--region", region),
        *("--s3-bucket", bucket),
        *("--s3-prefix", ARTIFACTS),
        *("--capabilities", "CAPABILITY_IAM"),
        # All that samconfig.toml could say is said here.
        *("--config-env", "none"),
        "--no-confirm-changeset",
        "--no-fail-on-empty-changeset",
        *(("--tags", *tags) if tags else ()),
        # A stack whose creation failed takes no update, so it must not stay.
        *(("--on-failure", "DELETE") if execute else ("--no-execute-changeset",)),
    ]
    with TemporaryDirectory() as folder:
        # In a file, because a command line's quoting has no way to write some values.
        file = Path(folder) / "parameters.yaml"  # JSON is YAML
        file.write_text(json.dumps({name: _quoted(value) for name, value in values.items()}))
        sys.stdout.flush()  # so that what was said until here stands above what it says
        done = subprocess.run(
            [*command, "--parameter-overrides", f"file://{file}"], check=False
        ).returncode
    if done:
        raise ToolError(f"`sam deploy` failed in {region}; see above")


def resource(cloudformation: Any, stack: str, logical_id: str) -> str:
    """The physical id of a resource of the stack."""
    answer = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def template_text(cloudformation: Any, stack: str) -> str:
    """The template that the stack was last deployed with, before its transforms."""
    body = cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    return body if isinstance(body, str) else json.dumps(body)


def remove(cloudformation: Any, name: str) -> None:
    """Delete the stack and wait until it is gone. Raises ToolError: something holds it."""
    cloudformation.delete_stack(StackName=name)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=name, WaiterConfig={"Delay": 5, "MaxAttempts": 720}
        )
    except WaiterError as error:
        raise ToolError(
            f"CloudFormation could not delete {name}: its events in the console say what holds it"
        ) from error


def _quoted(value: str) -> str:
    """``value`` as a parameter file of the SAM CLI has it.

    It takes off a pair of quotes, and the backslash before a quote, twice: of what is in the file,
    and of the result.
    """
    for _ in range(2):
        value = '"' + value.replace('"', '\\"') + '"'
    return value
