"""The function as the template describes it, with the settings of this machine."""

import os
from collections.abc import Mapping
from pathlib import Path

import botocore.session
from samcli.lib.providers.provider import Stack

from tools.local.environment import Function
from tools.local.s3 import CREDENTIALS
from tools.local.settings import SETTINGS

LOGICAL_ID = "ClassifyFunction"
# All else that is set here is hidden from the function, as on Lambda. Coverage measures it.
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def function(stack: Stack, root: Path, variables: Mapping[str, str]) -> Function:
    """The template's function; ``variables`` are added to its environment."""
    properties = stack.resources[LOGICAL_ID]["Properties"]
    template_variables = {
        name: value
        for name, value in properties["Environment"]["Variables"].items()
        if isinstance(value, str) and name not in SETTINGS  # These come from this machine.
    }
    return Function(
        handler=properties["Handler"],
        code=root / properties["CodeUri"],
        variables=_set(_PASSED_ON) | template_variables | _set(SETTINGS) | dict(variables),
        timeout_s=int(properties["Timeout"]),
        memory_mb=int(properties["MemorySize"]),
    )


def threads(environments: int) -> str:
    """OMP_NUM_THREADS: what the caller has set, else each environment's share of the cores."""
    share = len(os.sched_getaffinity(0)) // environments
    return os.environ.get("OMP_NUM_THREADS", "").strip() or str(max(1, share))


def aws_variables() -> dict[str, str]:
    """The caller's credentials, region and endpoints, as environment variables.

    Where there are no credentials they are dummies: the runtime does not start without.
    """
    variables = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    if "AWS_ACCESS_KEY_ID" not in variables and not _names_endpoint(variables):
        session = botocore.session.get_session()  # It reads profiles, single sign-on and roles.
        if credentials := session.get_credentials():
            frozen = credentials.get_frozen_credentials()
            variables |= {
                "AWS_ACCESS_KEY_ID": frozen.access_key or "",
                "AWS_SECRET_ACCESS_KEY": frozen.secret_key or "",
                "AWS_SESSION_TOKEN": frozen.token or "",
            }
        if region := session.get_config_variable("region"):
            variables["AWS_REGION"] = region
    variables.pop("AWS_PROFILE", None)
    if region := variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION"):
        variables |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    return CREDENTIALS | variables


def _names_endpoint(variables: Mapping[str, str]) -> bool:
    return "AWS_ENDPOINT_URL_S3" in variables or "AWS_ENDPOINT_URL" in variables


def _set(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
