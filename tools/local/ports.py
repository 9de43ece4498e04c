"""Addresses on this machine."""

import socket
from contextlib import ExitStack

import click

HOST = "127.0.0.1"
# A route that `make run` has and a deployed API has not: see large_images.py.
LARGE_IMAGE_PATH = "/large-image"


class Port(click.ParamType):
    """A port's number. lowest: 0 where 0 stands for any free port, else 1."""

    name = "port"

    def __init__(self, lowest: int = 1) -> None:
        self._lowest = lowest

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text = str(value)
        if not text.isdecimal() or not self._lowest <= int(text) <= 65535:
            self.fail(f"{text!r} should be a number from {self._lowest} to 65535", param, ctx)
        return int(text)


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now; another process may still take one."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port() -> int:
    """A port that nobody listens on now."""
    return free_ports(1)[0]
