"""Addresses on this machine."""

import socket
from contextlib import ExitStack

HOST = "127.0.0.1"
# A route that `make run` has and a deployed API has not: see large_images.py.
LARGE_IMAGE_PATH = "/large-image"


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
