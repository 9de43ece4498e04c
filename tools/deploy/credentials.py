"""Whose account it is: AWS's profiles, and credentials that work."""

import os

import boto3
import click
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  (botocore's own, of a host that cannot be reached)
    HTTPClientError,
    NoCredentialsError,
    ProfileNotFound,
)

from tools.errors import ToolError

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_HOW = "run `aws configure` or `aws sso login`, or set AWS_PROFILE"


def _use_profile(_ctx: click.Context, _param: click.Parameter, name: str | None) -> None:
    """Let this process, and what it starts, use the profile ``name``. As with AWS's own tools it
    wins over keys in the environment.
    """
    if name:
        os.environ["AWS_PROFILE"] = name
        for key in _KEYS:
            os.environ.pop(key, None)


profile_option = click.option(
    "--profile",
    metavar="NAME",
    callback=_use_profile,
    expose_value=False,
    help="Of AWS's configuration: credentials and region. Default: AWS_PROFILE.",
)


def account_id() -> str:
    """The account that the credentials are for. Raises ToolError: there are none that work."""
    try:
        # In whatever region: the account is the same everywhere.
        client = boto3.client("sts", region_name=boto3.Session().region_name or "us-east-1")
        return str(client.get_caller_identity()["Account"])
    except ProfileNotFound as error:
        raise ToolError(f"{error}: `aws configure list-profiles` shows those there are") from error
    except NoCredentialsError as error:
        raise ToolError(f"no AWS credentials: {_HOW}") from error
    except (ConnectionError, HTTPClientError) as error:
        raise ToolError(f"AWS cannot be reached: {error}; check the network") from error
    except ClientError as error:
        raise ToolError(f"AWS refuses the credentials: {error}; {_HOW}") from error
    except BotoCoreError as error:
        raise ToolError(f"no AWS credentials that work: {error}; {_HOW}") from error
