"""Whose account it is: a profile of AWS's own, and the account of its credentials."""

import os

import boto3
import click

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


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
    """The account that the credentials are for.

    Raises BotoCoreError, ClientError: there are none that work.
    """
    # In whatever region: the account is the same everywhere.
    client = boto3.client("sts", region_name=boto3.Session().region_name or "us-east-1")
    return str(client.get_caller_identity()["Account"])
