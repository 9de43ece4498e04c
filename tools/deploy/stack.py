"""The stack: what `sam deploy` is given, what comes of it, and how it goes away."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError
from samcli.yamlhelper import yaml_parse

from tools.errors import ToolError

# Reserved concurrency comes out of the account's, of which Lambda keeps so many for all others.
KEPT_UNRESERVED = 100
RESERVING = ("ReservedConcurrency", "BatchConcurrency")


def parameters_of(template: Path) -> dict[str, dict[str, Any]]:
    """The parameters that ``template``, as `sam build` left it, takes. Raises ToolError."""
    try:
        built = yaml_parse(template.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ToolError(f"{template} is not there: run `make build` first") from error
    parameters: dict[str, dict[str, Any]] = built["Parameters"]
    return parameters


def profile(config: Path, name: str) -> dict[str, str]:
    """The parameters of the profile ``name`` in samconfig.toml. Raises ToolError: no such one."""
    profiles = tomllib.loads(config.read_text(encoding="utf-8"))
    if name not in profiles:
        known = ", ".join(key for key, value in profiles.items() if isinstance(value, dict))
        raise ToolError(f"{config.name} has no profile {name!r}: it has {known}")
    given = profiles[name].get("deploy", {}).get("parameters", {}).get("parameter_overrides", [])
    return dict(pair.split("=", 1) for pair in given)


def unreservable(
    parameters: Mapping[str, dict[str, Any]], given: Mapping[str, str], client: Any
) -> list[str]:
    """The parameters that would reserve more concurrency than this account has to give.

    client: a boto3 client of Lambda.
    """
    wanted = {
        name: int(given.get(name, parameters[name]["Default"]))
        for name in RESERVING
        if name in parameters
    }
    if not wanted:
        return []
    limits = client.get_account_settings()["AccountLimit"]
    room = limits["UnreservedConcurrentExecutions"] - KEPT_UNRESERVED
    return list(wanted) if sum(wanted.values()) > max(room, 0) else []


def previous_model(before: Mapping[str, str], model: str) -> str:
    """The bundle that stays readable when ``model`` is deployed over ``before``'s parameters."""
    served = before.get("ModelUri", "")
    return before.get("PreviousModelUri", "") if served == model else served


def stamp(template: Path, given: Mapping[str, str]) -> None:
    """Note the parameters in the built code of every function that publishes versions.

    SAM makes a new version where the code has changed, and by nothing else. So a new model, or
    any other setting, would reach no traffic, and there would be nothing to roll back to.
    """
    built = yaml_parse(template.read_text(encoding="utf-8"))
    for resource in built["Resources"].values():
        properties = resource.get("Properties", {})
        if "AutoPublishAlias" in properties:
            code = properties.get("CodeUri") or built["Globals"]["Function"]["CodeUri"]
            note = json.dumps(dict(given), indent=2, sort_keys=True) + "\n"
            (template.parent / code / "deployment.json").write_text(note, encoding="utf-8")


def deploy(template: Path, stack: str, region: str, bucket: str, given: Mapping[str, str]) -> None:
    """Upload, make the change set and execute it, with `sam deploy`, which shows how it goes.

    Raises ToolError: it failed; what it said stands above.
    """
    command = [
        *(str(Path(sys.executable).with_name("sam")), "deploy"),
        *("--template-file", str(template)),
        *("--stack-name", stack),
        *("--region", region),
        *("--s3-bucket", bucket),
        *("--s3-prefix", "artifacts"),
        *("--capabilities", "CAPABILITY_IAM"),
        # All that samconfig.toml could say is said here.
        *("--config-env", "none"),
        "--no-confirm-changeset",
        "--no-fail-on-empty-changeset",
        *("--parameter-overrides", *(f"{name}={_quote(value)}" for name, value in given.items())),
    ]
    sys.stdout.flush()  # what was said until here stands above what it says
    if subprocess.run(command, check=False).returncode:
        raise ToolError(f"`sam deploy` failed in {region}; see above")


def outputs(cloudformation: Any, stack: str) -> dict[str, str] | None:
    """The outputs of the stack, None if there is no such stack."""
    found = _describe(cloudformation, stack)
    if found is None:
        return None
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}


def parameters(cloudformation: Any, stack: str) -> dict[str, str]:
    """The parameters that the stack was last deployed with; none if there is no such stack."""
    found = _describe(cloudformation, stack) or {}
    pairs = found.get("Parameters", ())
    return {each["ParameterKey"]: each.get("ParameterValue", "") for each in pairs}


def remove(cloudformation: Any, stack: str) -> None:
    """Delete the stack and wait until it is gone. Raises ToolError: something holds it."""
    cloudformation.delete_stack(StackName=stack)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack)
    except WaiterError as error:
        raise ToolError(
            f"CloudFormation could not delete {stack}: its events in the console say what holds it"
        ) from error


def _describe(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return dict(found)


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
