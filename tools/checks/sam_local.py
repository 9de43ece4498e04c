"""Readies what was built for `sam local`, for people who have Docker: a model in a local S3.

It serves until Ctrl-C, and writes the two files that `sam local` needs to find the model from
inside a container: values for the function's variables, and a template that declares them all,
since `sam local` hands on no variable that the template does not name.
"""

import json
import os
import signal
from pathlib import Path

import click
from samcli.yamlhelper import parse_yaml_file, yaml_dump

from tools.command import Command
from tools.errors import ToolError
from tools.local.s3 import LocalS3
from tools.local.settings import SETTINGS

BUILD = Path(".aws-sam/build")
BUCKET = "models"


def write_files(variables: dict[str, str]) -> tuple[Path, Path]:
    """The template that declares ``variables``, beside the built one, and the file of values."""
    template = parse_yaml_file(str(BUILD / "template.yaml"))
    declared = template["Globals"]["Function"]["Environment"]["Variables"]
    declared |= dict.fromkeys(variables, "")
    template_file, variables_file = BUILD / "local.yaml", BUILD / "local.json"
    template_file.write_text(yaml_dump(template))
    variables_file.write_text(json.dumps({"Parameters": variables}, indent=2) + "\n")
    return template_file, variables_file


@click.command("scripts/check_sam_local.py", cls=Command)
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
        raise ToolError("nothing is built: run `make build` first")
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # In the server's thread too, for sigwait.
    s3 = LocalS3(host=host)
    try:
        s3.start()
    except OSError as error:
        raise ToolError(
            f"{host}: {error.strerror}; name Docker's address of this machine with --host"
        ) from error
    model = s3.fill_from(BUCKET, bundle.resolve().name, bundle)
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    template, values = write_files(settings | {"MODEL_URI": model, "AWS_ENDPOINT_URL_S3": s3.url})
    files = f"-t {template} -n {values}"
    click.echo(f"{model} is at {s3.url} until Ctrl-C. In another terminal:")
    click.echo(f"  sam local invoke ClassifyFunction {files} -e events/health.json")
    click.echo(f"  sam local start-api {files}")
    signal.sigwait(signals)
    s3.stop()
