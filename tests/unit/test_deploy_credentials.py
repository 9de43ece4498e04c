"""The deploy tool's credentials: AWS's own profiles, and what is said where none work."""

import os
from pathlib import Path

import boto3
import pytest

from tools.deploy import cli
from tools.local.ports import free_port

NAMES = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without any credentials, and an endpoint that nobody listens on; its config file."""
    for name in NAMES:
        monkeypatch.setenv(name, "before")  # so that monkeypatch brings it back
        monkeypatch.delenv(name)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials of other tests
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = eu-central-1\n")
    keys = tmp_path / "credentials"
    keys.write_text("[work]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return config


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["deploy", "--check", *arguments]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    return text


def test_no_credentials_says_how_to_get_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert error(capsys).startswith("Error: no AWS credentials: run `aws configure`")


def test_unknown_profile_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = error(capsys, "--profile", "nowhere")
    assert "The config profile (nowhere) could not be found" in text
    assert "aws configure list-profiles" in text


def test_no_network_is_not_about_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    text = error(capsys, "--profile", "work")
    assert text.startswith("Error: AWS cannot be reached: ")
    assert text.endswith("check the network\n")
    assert "aws configure" not in text


def test_profile_wins_over_keys_in_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the environment")
    error(capsys, "--profile", "work")
    assert os.environ["AWS_PROFILE"] == "work"
    assert "AWS_ACCESS_KEY_ID" not in os.environ
