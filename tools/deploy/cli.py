#!/usr/bin/env python3
"""Deploys the service to one or more regions, and takes it away again. See docs/deploy.md."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tools import outputs
from tools.command import Group
from tools.deploy import bucket, stack
from tools.errors import ToolError
from tools.project import ROOT

# deploytool.model brings MXNet and OpenCV along, which take seconds; only a deploy imports it.

TEMPLATE = ROOT / ".aws-sam" / "build" / "template.yaml"
CONFIG = ROOT / "samconfig.toml"
MODEL = ROOT / "models" / "resnet-18"
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")

console = Console(highlight=False)


class Regions(click.ParamType):
    """Names of regions with commas between them."""

    name = "a,b"

    def convert(
        self,
        value: str | list[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> list[str]:
        regions = value if isinstance(value, list) else value.split(",")
        for region in regions:
            if not REGION.fullmatch(region):
                self.fail(f"{region!r} is not the name of a region, as eu-west-1 is", param, ctx)
        return regions


stack_option = click.option("--stack", "name", default="image-classification", show_default=True)
regions_option = click.option(
    "--regions", type=Regions(), help="One or more, with commas. Default: that of the AWS profile."
)
yes_option = click.option("--yes", is_flag=True, help="Ask nothing.")


@click.group("scripts/deploy.py", cls=Group, interrupted="run it again to go on from there")
def cli() -> None:
    """Deploy the service, or take it away."""


@cli.command()
@click.option(
    "--model",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the bundle. Default: models/resnet-18.",
)
@click.option("--profile", default="default", help="Of samconfig.toml: a set of parameters.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One parameter.")
@stack_option
@regions_option
@yes_option
def deploy(
    *,
    folder: Path | None,
    profile: str,
    settings: tuple[str, ...],
    name: str,
    regions: list[str] | None,
    yes: bool,
) -> None:
    """Publish the model and deploy the stack to each region; the build must be there.

    The first time, in an empty account, this makes a bucket, publishes the bundle, and creates
    the stack. Later it does what is left to do: a bundle of the same version is not sent again.
    """
    from tools.deploy import model  # noqa: PLC0415

    parameters = stack.parameters_of(TEMPLATE)
    given = stack.profile(CONFIG, profile) | _settings(settings, parameters)
    account = _account()
    regions = regions or _ask_regions(yes=yes)
    folder = folder or _ask_model(yes=yes)
    bundle = model.read(folder)
    console.print("What this model says of the known image, on this machine:", end=" ")
    probe = model.probe(bundle)
    console.print(f"{probe.label}, {probe.probability:.0%}")
    manifest = bundle.manifest
    plan = Table(box=None, show_header=False)
    plan.add_row("account", account)
    plan.add_row("regions", ", ".join(regions))
    plan.add_row("stack", name)
    plan.add_row("model", f"{manifest.name} {manifest.version} ({manifest.precision})")
    for key, value in given.items():
        plan.add_row(key, value)
    console.print(plan)
    if not yes:
        click.confirm("Deploy?", default=True, abort=True)

    endpoints = Table("region", "endpoint")
    for region in regions:
        console.rule(region)
        with _in(region):
            home = bucket.name_of(name, account, region)
            new = bucket.ensure(boto3.client("s3"), home, account, region)
            console.print(f"{'Made' if new else 'Found'} the bucket {home}.")
            place = _publish(folder, bundle, home)
            own = {"ModelUri": str(place)}
            own |= {"ProbeLabel": probe.label, "ProbeProbability": str(probe.probability)}
            before = stack.parameters(boto3.client("cloudformation"), name)
            own |= {"PreviousModelUri": stack.previous_model(before, str(place))}
            own |= _reservations(name, parameters, given)
            known = {key: value for key, value in own.items() if key in parameters}
            stack.stamp(TEMPLATE, known | given)
            stack.deploy(TEMPLATE, name, region, home, known | given)
            found = stack.outputs(boto3.client("cloudformation"), name) or {}
            endpoints.add_row(region, found["ApiUrl"])
    console.rule("deployed")
    console.print(endpoints)
    console.print(f"Try it: {found['Curl']}", soft_wrap=True)
    if "ReadApiKey" in found:
        console.print(f"The key: {found['ReadApiKey']}", soft_wrap=True)


@cli.command()
@stack_option
@regions_option
@yes_option
def destroy(name: str, regions: list[str] | None, *, yes: bool) -> None:
    """Take the stack, its buckets, and every version of all that is in them, away for good."""
    account = _account()
    regions = regions or _ask_regions(yes=yes)
    console.print(
        f"This deletes {name} in {', '.join(regions)} of account {account}: the API, the functions,"
        " the logs, every published model and all results of batches, with every version of them."
    )
    if not yes and click.prompt("Type the stack's name to go on") != name:
        raise ToolError("that is not its name; nothing was deleted")
    for region in regions:
        with _in(region):
            s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
            found = stack.outputs(cloudformation, name)
            removed = 0
            if found is not None:
                # CloudFormation deletes no bucket that holds anything.
                if outputs.BATCH_RESULTS in found:
                    removed += bucket.remove(s3, found[outputs.BATCH_RESULTS])
                stack.remove(cloudformation, name)
            removed += bucket.remove(s3, bucket.name_of(name, account, region))
            there = "the stack" if found is not None else "no stack was there"
            console.print(f"{region}: {there}, {removed} versions of objects, gone.")


def _publish(folder: Path, bundle: Any, home: str) -> Any:
    """Where the bundle is, published into the bucket ``home`` if it is not there yet."""
    from tools.deploy import model  # noqa: PLC0415

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("publishing the model", total=4)
        place = model.ensure(folder, bundle, home, lambda: bar.advance(task))
    console.print(f"The model is at {place}.")
    return place


def _settings(pairs: tuple[str, ...], parameters: dict[str, Any]) -> dict[str, str]:
    """``NAME=VALUE`` as a dictionary. Raises ToolError: the template has no such parameter."""
    given = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in parameters:
            names = ", ".join(parameters)
            raise ToolError(f"--set {pair}: should be NAME=VALUE, NAME one of {names}")
        given[key] = value
    return given


def _reservations(
    name: str, parameters: dict[str, dict[str, Any]], given: dict[str, str]
) -> dict[str, str]:
    """No reserved concurrency for a new stack in an account that has none to give."""
    if stack.outputs(boto3.client("cloudformation"), name) is not None:
        return {}
    over = stack.unreservable(parameters, given, boto3.client("lambda"))
    if over:
        console.print(
            "This account's concurrency is too small to reserve any of it, so nothing but the"
            " account's own limit bounds what a flood of requests can cost. Ask for more in"
            " Service Quotas, then set " + " and ".join(over) + "."
        )
    return dict.fromkeys(over, "0")


def _account() -> str:
    """The account that the credentials are for. Raises ToolError: there are none that work."""
    try:
        # In whatever region: the account is the same everywhere.
        client = boto3.client("sts", region_name=boto3.Session().region_name or "us-east-1")
        return str(client.get_caller_identity()["Account"])
    except (ClientError, BotoCoreError) as error:
        raise ToolError(f"no AWS credentials that work: {error}; try `aws configure`") from error


def _ask_regions(*, yes: bool) -> list[str]:
    region = boto3.Session().region_name
    if yes and not region:
        raise ToolError("say where: --regions eu-west-1")
    return (
        [region]
        if yes and region
        else click.prompt("Region (several with commas)", default=region, type=Regions())
    )


def _ask_model(*, yes: bool) -> Path:
    return MODEL if yes else click.prompt("Model", default=MODEL, type=click.Path(path_type=Path))


@contextmanager
def _in(region: str) -> Iterator[None]:
    """Every AWS client that is made meanwhile, here or by a tool, is one of ``region``."""
    before = {name: os.environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")}
    os.environ.update(dict.fromkeys(before, region))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


main = cli.run
