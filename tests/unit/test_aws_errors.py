"""What boto3's errors mean to people."""

from pathlib import Path

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

from tools.aws_errors import describe
from tools.batch import cli as batch


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "words"}}, "GetThing")


NO_STACK = ClientError(
    {"Error": {"Code": "ValidationError", "Message": "Stack with id x does not exist"}},
    "DescribeStacks",
)


@pytest.mark.parametrize(
    ("error", "start", "end"),
    [
        (NoCredentialsError(), "no AWS credentials: run `aws configure`", "AWS_PROFILE"),
        (NoRegionError(), "no AWS region: give --region", "set AWS_DEFAULT_REGION"),
        (ProfileNotFound(profile="x"), "The config profile (x)", "shows those there are"),
        (EndpointConnectionError(endpoint_url="u"), "AWS cannot be reached", "check the network"),
        (ConnectTimeoutError(endpoint_url="u"), "AWS cannot be reached", "check the network"),
        (client_error("ExpiredToken"), "AWS refuses the credentials", "set AWS_PROFILE"),
        (client_error("AccessDenied"), "An error occurred (AccessDenied)", "words"),
        (NO_STACK, "Stack with id x does not exist: name another", "or deploy it first"),
    ],
)
def test_error_says_what_is_wrong_and_what_to_do(
    error: BotoCoreError | ClientError, start: str, end: str
) -> None:
    assert describe(error).startswith(start)
    assert describe(error).endswith(end)


def test_batch_without_a_region_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert batch.cli.run(["start", "s3://images/2026/"]) == 1
    assert capsys.readouterr().err.startswith("Error: no AWS region: give --region")


def test_batch_of_what_is_no_bucket_says_what_a_bucket_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert batch.cli.run(["start", "s3://b/k"]) == 1
    assert (
        "'b' is not the name of a bucket, which has 3 to 63 characters" in capsys.readouterr().err
    )
