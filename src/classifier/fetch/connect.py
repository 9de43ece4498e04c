"""Connections to where a caller sends the service: each address is judged before it is used."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address

from classifier.errors import FetchFailed, FetchTimeout
from classifier.fetch.addresses import is_allowed
from classifier.fetch.target import STANDARD_PORTS, Target
from classifier.net import tls
from classifier.net.deadline import Deadline

type Resolve = Callable[[str], Sequence[str]]
type Connect = Callable[[tuple[str, int], float], socket.socket]

TOO_SLOW = "The image did not arrive within the time allowed."
UNREACHABLE = "The address could not be reached: it must be that of a public server that answers."


class Connector:
    """Connects to targets that lead to allowed addresses. Threads may share a connector.

    Args:
        private_hosts: ``(host, port)`` pairs that may lead to private addresses; a port of ``None``
            stands for 80 and 443.
        resolve: Host name to addresses as text. It may block. OSError: there are none.
        connect: (address, port) and a time-out in seconds to a connected socket, or OSError.
        clock: Returns seconds and never goes back.
    """

    def __init__(
        self,
        private_hosts: frozenset[tuple[str, int | None]],
        resolve: Resolve,
        connect: Connect = socket.create_connection,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._private_hosts = private_hosts
        self._resolve = resolve
        self._connect = connect
        self.clock = clock

    def may_be_private(self, target: Target) -> bool:
        """Whether ``target`` may lead to a private address."""
        ports = {target.port, None} if target.port in STANDARD_PORTS.values() else {target.port}
        return any((target.host, port) in self._private_hosts for port in ports)

    def connect(self, target: Target, deadline: Deadline) -> socket.socket:
        """A connection to the first address of ``target`` that takes one, with TLS for https.

        Raises:
            FetchFailed: the target leads nowhere, or to an address that is not allowed (in the same
                words), or its certificate is not valid.
            TimeoutError, FetchTimeout: the deadline has passed.
            OSError: the connection broke off.
        """
        sock = self._connect_any(target, self._addresses(target, deadline), deadline)
        if target.scheme != "https":
            return sock
        try:
            return tls.secure(sock, target.hostname, deadline)
        except tls.TlsError:
            # "from None": the cause can name hosts and addresses, which no log may hold.
            raise FetchFailed(
                "No secure connection: the image's server has no valid certificate for its name,"
                " or does not speak TLS 1.2 or later."
            ) from None

    def _addresses(self, target: Target, deadline: Deadline) -> list[str]:
        """The addresses of ``target``, each judged."""
        try:
            addresses = [str(ip_address(target.hostname))]
        except ValueError:
            addresses = self._look_up(target.hostname, deadline)
        private = self.may_be_private(target)
        if not addresses or not all(is_allowed(each, private=private) for each in addresses):
            raise FetchFailed(UNREACHABLE)
        return addresses

    def _look_up(self, name: str, deadline: Deadline) -> list[str]:
        """The distinct addresses of ``name``, in the resolver's order; none where it has none."""
        addresses: list[str] = []

        def resolve() -> None:
            with suppress(OSError):  # a name without addresses is an answer, not a fault
                addresses.extend(dict.fromkeys(self._resolve(name)))

        # getaddrinfo takes no time-out and cannot be interrupted, so a late one is left behind. Its
        # thread is a daemon, because the interpreter waits for all others at its end.
        thread = threading.Thread(target=resolve, daemon=True)
        timeout = deadline.remaining()
        try:
            thread.start()
        except RuntimeError as error:  # no memory for its stack
            raise MemoryError from error
        thread.join(timeout)
        if thread.is_alive():
            raise FetchTimeout(TOO_SLOW)
        return addresses

    def _connect_any(
        self, target: Target, addresses: Sequence[str], deadline: Deadline
    ) -> socket.socket:
        timed_out = False
        for untried, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                # An even share of the time, so that a silent address leaves some for the next.
                return self._connect((address, target.port), deadline.remaining() / untried)
            except OSError as error:
                timed_out = isinstance(error, TimeoutError)
        raise FetchTimeout(TOO_SLOW) if timed_out else FetchFailed(UNREACHABLE)


def system_resolve(name: str) -> list[str]:
    """The addresses of ``name`` by the system's resolver.

    Raises:
        OSError: there are none.
    """
    infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in infos]
