"""Deploys the service to one or more regions, and takes it away again. See docs/deploy.md."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from tools import outputs
from tools.command import Group
from tools.deploy import bucket, parameters, stack, uploads, version_note
from tools.deploy.credentials import account_id, profile_option
from tools.deploy.plan import Plan, make_plan
from tools.deploy.questions import ask_model, ask_regions, check_before_build
from tools.deploy.regions import Regions, clients_in
from tools.errors import ToolError
from tools.project import ROOT

if TYPE_CHECKING:  # they bring MXNet and OpenCV along, which take seconds; only a deploy needs them
    from classifier.model.bundle import Bundle
    from tools.deploy.model import Probe

TEMPLATE = ROOT / ".aws-sam" / "build" / "template.yaml"
CONFIG = ROOT / "samconfig.toml"
# A local stand-in for AWS has no API at the address that a stack's output names.
API_URL = "CLASSIFIER_API_URL"

console = Console(highlight=False)

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
    "chosen",
    help="A bundle's folder, or its name in models/. Default: the best there is.",
)
@click.option(
    "--config-env", default="default", show_default=True, help="Parameters: one of samconfig.toml."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="[REGION:]NAME=VALUE",
    help="One parameter, in one region or all.",
)
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Of every resource.")
@click.option(
    "--without-alarms", is_flag=True, help="In an emergency: move traffic whatever alarms say."
)
@click.option("--review", is_flag=True, help="Upload and show the change sets; change nothing.")
@click.option("--check", is_flag=True, help="Check options and credentials; needs no build.")
@click.option("--api-url", envvar=API_URL, hidden=True, help="With {api} and {region} in it.")
@stack_option
@regions_option
@profile_option
@yes_option
def deploy(
    *,
    chosen: str | None,
    config_env: str,
    settings: tuple[str, ...],
    tags: tuple[str, ...],
    without_alarms: bool,
    review: bool,
    check: bool,
    api_url: str | None,
    name: str,
    regions: list[str] | None,
    yes: bool,
) -> None:
    """Publish the model and deploy the stack to each region; the build must be there.

    The first time, in an empty account, this makes a bucket, publishes the bundle, and creates
    the stack. Later it does what is left to do: a bundle of the same version is not sent again.
    Then it asks the deployed API.
    """
    from tools.deploy import model  # noqa: PLC0415

    defaults = parameters.defaults(ROOT / "template.yaml" if check else TEMPLATE)
    options = parameters.read_options(CONFIG, config_env, settings, defaults)
    account = account_id()
    if check:
        check_before_build(chosen, regions, options, yes=yes)
        return
    regions = regions or ask_regions(yes=yes)
    folder = ask_model(chosen, yes=yes)
    bundle = model.read(folder)
    console.print("What this model says of the known image, on this machine:", end=" ")
    probe = model.probe(bundle)
    console.print(f"{probe.label}, {probe.probability:.0%}")
    plans = []
    for region in regions:
        with clients_in(region):
            plans.append(make_plan(name, region, options, defaults, alarms=not without_alarms))
    for plan in plans:
        values = plan.effective({}, defaults)
        model.check_embedding(bundle, values)
        if values.get("BatchBuckets"):
            model.check_batches(bundle)
    _show(account, name, bundle, plans)
    if not yes:
        click.confirm("Deploy?", default=True, abort=True)

    for plan in plans:
        console.rule(plan.region)
        with clients_in(plan.region):
            home = bucket.name_of(name, account, plan.region)
            s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
            if plan.before and plan.before.is_failed and not review:
                stack.remove(cloudformation, name)
            new = bucket.ensure(s3, home, account, plan.region)
            console.print(f"{'Made' if new else 'Using'} the bucket {home}.")
            own = _model_values(folder, bundle, probe, home, plan)
            version_note.write(TEMPLATE, plan.effective(own, defaults))
            values = own | plan.values
            stack.deploy(TEMPLATE, name, plan.region, home, values, tags=tags, execute=not review)
            if not review:
                uploads.turn_on_all(s3, plan.effective({}, defaults))
                text = stack.template_text(cloudformation, name)
                bucket.prune(s3, home, stack.ARTIFACTS, text)
                _report(name, plan.region, probe, api_url)
    if review:
        console.print("Nothing was changed. Deploy again without --review to execute it.")


@cli.command()
@stack_option
@regions_option
@profile_option
@yes_option
def destroy(name: str, regions: list[str] | None, *, yes: bool) -> None:
    """Delete the stack, its buckets, and every version of all that is in them, for good."""
    account = account_id()
    regions = regions or ask_regions(yes=yes)
    console.print(
        f"This deletes {name} in {', '.join(regions)} of account {account}: the API, the"
        " functions, the logs, every published model and all results of batches and uploads, with"
        " every version of them."
    )
    if not yes and click.prompt("Type the stack's name to go on") != name:
        raise ToolError("that is not its name; nothing was deleted")
    for region in regions:
        with clients_in(region):
            s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
            existing = stack.find(cloudformation, name)
            removed = 0
            if existing is not None:
                # The stack leaves its buckets of results, so that no other delete empties them.
                for output in outputs.RESULTS:
                    if output in existing.outputs:
                        removed += bucket.remove(s3, existing.outputs[output])
                stack.remove(cloudformation, name)
            removed += bucket.remove(s3, bucket.name_of(name, account, region))
            what = "the stack" if existing is not None else "no stack was there"
            console.print(f"{region}: {what}, {removed} versions of objects, gone.")


def _show(account: str, name: str, bundle: "Bundle", plans: list[Plan]) -> None:
    manifest = bundle.manifest
    table = Table("", Column(overflow="fold"), box=None, show_header=False)
    table.add_row("account", account)
    table.add_row("regions", ", ".join(plan.region for plan in plans))
    table.add_row("stack", name)
    table.add_row("model", f"{manifest.name} {manifest.version} ({manifest.precision})")
    for key, value in plans[0].values.items():
        values = {plan.region: plan.values.get(key, "") for plan in plans}
        if len(set(values.values())) == 1:
            table.add_row(key, value)
        else:
            for region, each in values.items():
                table.add_row(f"{region}: {key}", each)
    console.print(table)
    for plan in plans:
        for note in plan.notes:
            console.print(f"{plan.region}: {note}")


def _model_values(
    folder: Path, bundle: "Bundle", probe: "Probe", home: str, plan: Plan
) -> dict[str, str]:
    """The parameters that say which model, which is published into ``home`` for that."""
    from tools.deploy import model  # noqa: PLC0415

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("publishing the model", total=4)
        place = str(model.ensure(folder, bundle, home, lambda: bar.advance(task)))
    console.print(f"The model is at {place}.")
    return {
        "ModelUri": place,
        "PreviousModelUri": model.previous(plan.kept(), place),
        "ProbeLabel": probe.label,
        "ProbeProbability": str(probe.probability),
    }


def _report(name: str, region: str, probe: "Probe", api_url: str | None) -> None:
    """Ask what was deployed, and show how people ask it."""
    from tools.deploy import deployed, model  # noqa: PLC0415

    cloudformation: Any = boto3.client("cloudformation")
    existing = stack.find(cloudformation, name)
    if existing is None:
        raise ToolError(f"{name} in {region} is gone: its creation failed; see above")
    results, key = existing.outputs, ""
    url = results["ApiUrl"]
    if api_url:
        url = api_url.format(api=results["ApiId"], region=region)
    if "ReadApiKey" in results:
        key_id = stack.resource(cloudformation, name, "ApiKey")
        key = deployed.api_key(boto3.client("apigateway"), key_id)
    headers = deployed.caller(key, signs="PredictArn" in results)
    answer = deployed.ask(url, model.PROBE.read_bytes(), probe, headers)
    console.print(
        f"{url} answers: {answer.model}, {answer.label} {answer.probability:.0%},"
        f" {answer.milliseconds:,.0f} ms",
        soft_wrap=True,
    )
    curl = results["Curl"].replace(results["ApiUrl"], url)
    console.print(f"Try it: {curl}", soft_wrap=True)
    if key:
        console.print(f"The key: {results['ReadApiKey']}", soft_wrap=True)


main = cli.run
