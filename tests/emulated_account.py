"""How a test's process works with an AWS account on this machine."""

from pathlib import Path

import boto3
import pytest

from tools.deploy import cli
from tools.deploy.emulator.account import LocalAccount


def use(account: LocalAccount, template: Path, patch: pytest.MonkeyPatch) -> None:
    """Point boto3 and the deploy command at ``account``, and the latter at a built template."""
    for name, value in (account.variables | {cli.API_URL: account.api_url}).items():
        patch.setenv(name, value)
    # The session of `boto3.client` keeps the credentials that it found first: another test's.
    patch.setattr(boto3, "DEFAULT_SESSION", None)
    patch.setattr(cli, "TEMPLATE", template)
