"""The model tool: makes, judges and publishes model bundles. See docs/models.md."""

import os
from importlib import import_module

import click

from tools.command import Group, hold_interrupts

# Each command, in the order of the help: its module in tools.model.commands, and what it does. A
# module is imported when its command runs: MXNet, OpenCV and boto3 take seconds.
COMMANDS = {
    "list": ("list_networks", "The catalogue of networks."),
    "fetch": ("fetch_network", "Download a network of the catalogue."),
    "bundle": ("make_bundle", "Make a bundle of MXNet's files."),
    "import": ("import_file", "Make a bundle of an ONNX file or a PyTorch checkpoint."),
    "train": ("train_classes", "Train your own classes, from a folder of images."),
    "synthetic": ("make_synthetic", "Make ResNet-18 with random weights."),
    "quantize": ("quantize_bundle", "Make an int8 bundle of a float32 one."),
    "half": ("halve_bundle", "Store a bundle's parameters in half the bytes."),
    "evaluate": ("evaluate_bundle", "Measure the accuracy of a bundle."),
    "similar": ("find_similar", "Find near-duplicates and neighbours among images."),
    "inspect": ("inspect_bundle", "Show and verify a bundle."),
    "measure": ("measure_networks", "Measure the catalogue's networks on this machine."),
    "publish": ("publish_bundle", "Upload a bundle to S3."),
}


class Commands(Group):
    """A group whose commands are imported when they run."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        with hold_interrupts():
            command: click.Command = import_module(f"tools.model.commands.{module}").command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group("scripts/model.py", cls=Commands, interrupted="nothing was written")
def cli() -> None:
    """Make, judge and publish model bundles.

    A bundle is a folder, or a prefix in S3, that holds a network, its labels, its preprocessing and
    the checksums of them all. It never changes: a command that would have to overwrite one refuses.
    """
    # Read by MXNet when it is loaded; unset, it runs one thread whatever there is.
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    # Idle threads sleep. By default they spin: beside other busy processes an image then took
    # 748 ms where it takes 24 (EfficientNet-Lite0, two cores, load 14).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


main = cli.run
