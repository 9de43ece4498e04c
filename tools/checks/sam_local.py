#!/usr/bin/env python
"""Readies what was built for `sam local`, for people who have Docker: a model in a local S3.

It serves until Ctrl-C, and writes the two files that `sam local` needs to find the model from
inside a container: values for the function's variables, and a template that declares them all,
since `sam local` hands on no variable that the template does not name.
"""

import json
import logging
import os
import signal
import socket
from pathlib import Path
from typing import Any

import boto3
import click
from moto.server import ThreadedMotoServer
from samcli.yamlhelper import parse_yaml_file, yaml_dump

from tools.local.s3 import CREDENTIALS

BUILD = Path(".aws-sam/build")
BUCKET = "models"
# What the function reads, and a caller of this script may set, as for `make run`.
SETTINGS = (
    "ALLOWED_URL_HOSTS", "PRIVATE_URL_HOSTS", "S3_READ_BUCKETS", "MAX_IMAGE_BYTES",
    "MAX_IMAGE_PIXELS", "FETCH_TIMEOUT_S", "OMP_NUM_THREADS",
)  # fmt: skip


def publish(bundle: Path, endpoint: str) -> str:
    """Put a bundle's files into the S3 at ``endpoint``; returns the bundle's ``s3://`` address."""
    s3: Any = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    s3.create_bucket(Bucket=BUCKET)
    for file in bundle.iterdir():
        s3.upload_file(str(file), BUCKET, f"{bundle.name}/{file.name}")
    s3.close()
    return f"s3://{BUCKET}/{bundle.name}"


def write_files(variables: dict[str, str]) -> tuple[Path, Path]:
    """The template that declares ``variables``, beside the built one, and the file of values."""
    template = parse_yaml_file(str(BUILD / "template.yaml"))
    declared = template["Globals"]["Function"]["Environment"]["Variables"]
    declared |= dict.fromkeys(variables, "")
    template_file, variables_file = BUILD / "tools.local.yaml", BUILD / "tools.local.json"
    template_file.write_text(yaml_dump(template))
    variables_file.write_text(json.dumps({"Parameters": variables}, indent=2) + "\n")
    return template_file, variables_file


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--host",
    default="172.17.0.1",
    show_default=True,
    help="The address of this machine as Docker's containers see it.",
)
def main(bundle: Path, host: str) -> None:
    """Serve the model in the folder BUNDLE to the function in `sam local`."""
    if not (BUILD / "template.yaml").is_file():
        raise click.ClickException("nothing is built: run `make build` first")
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # in the server's thread too, for sigwait
    try:
        socket.create_server((host, 0)).close()  # the server would wait for ever
    except OSError as error:
        message = f"{host}: {error.strerror}; name Docker's address of this machine with --host"
        raise click.ClickException(message) from error
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every request
    server = ThreadedMotoServer(host, 0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    given = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    model = publish(bundle.resolve(), endpoint)
    template, variables = write_files({"MODEL_URI": model, "AWS_ENDPOINT_URL_S3": endpoint} | given)
    files = f"-t {template} -n {variables}"
    click.echo(f"{model} is at {endpoint} until Ctrl-C. In another terminal:")
    click.echo(f"  sam local invoke ClassifyFunction {files} -e events/health.json")
    click.echo(f"  sam local start-api {files}")
    signal.sigwait(ends)
    server.stop()
