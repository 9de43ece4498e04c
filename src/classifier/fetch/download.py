"""The guarded download: the one place where the service goes where a stranger sends it.

An address is judged twice. Its text is judged first, and what a rule forbids is told to the
caller as such. Then the name is looked up, once; every address it leads to is judged, and the
connection is made to one of those addresses and not to the name, so that a name server that
changes its mind gains nothing. What is refused by where it leads answers as what cannot be
reached does. Each redirect starts from the beginning.

Why not urllib3, requests or httpx: the guard is the connection itself (this address, that name
for the certificate, the rest of one deadline for every read), so a library would be used against
its grain: its resolver, pool, retries, redirects, decoders and proxies switched off or replaced.
Measured, urllib3's import takes 40 ms beyond all that this module imports. What is well kept and
hard to get right is used: TLS is ``ssl``, HTTP is ``http.client``, addresses are
``ipaddress``. The first two are imported, and the certificates loaded, at the first download
that needs them: 17 and 30 ms that a cold start with the image in its body does not pay.

docs/security.md has the threat model, and what is tested.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

from classifier.errors import FetchFailed, FetchTimeout, InvalidRequest, UrlNotAllowed
from classifier.fetch.addresses import is_allowed
from classifier.fetch.target import STANDARD_PORTS, Target

if TYPE_CHECKING:
    import ssl

type Resolve = Callable[[str], Sequence[str]]
type Connect = Callable[[tuple[str, int], float], socket.socket]
type Left = Callable[[], float]

_MAX_REDIRECTS = 3

_TOO_SLOW = "The image did not arrive within the time allowed."
_BROKEN_OFF = "The image's server broke the connection off."
_UNREACHABLE = "The address could not be reached: it must be that of a public server that answers."


class Downloader:
    """Downloads images from where callers say; safe to use from several threads at once.

    allowed_hosts: the only hosts that callers may name, besides private ones; empty: any.
    private_hosts: ``(host, port)`` pairs that may lead to private addresses; a port of ``None``
        stands for 80 and 443.
    max_bytes: size of a body.
    timeout_s: one deadline for a whole download, seconds.
    resolve: host name -> addresses as text; may block; OSError when there are none.
    connect: ((address, port), timeout in seconds) -> connected socket; OSError when it fails.
    clock: reading in seconds, never going back.
    """

    def __init__(
        self,
        *,
        allowed_hosts: frozenset[str],
        private_hosts: frozenset[tuple[str, int | None]],
        max_bytes: int,
        timeout_s: float,
        resolve: Resolve | None = None,
        connect: Connect = socket.create_connection,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed_hosts = allowed_hosts
        self._private_hosts = private_hosts
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._resolve = resolve or _system_resolve
        self._connect = connect
        self._clock = clock

    def get(self, url: str, *, deadline: float | None = None) -> bytes:
        """The body at ``url``, at most ``max_bytes`` long.

        deadline: a reading of the clock, seconds; the earlier of it and ``timeout_s`` from now
            counts, over name look-up, connections, redirects and body together.

        Raises InvalidRequest: ``url`` is no URL. UrlNotAllowed: a rule or a setting forbids it.
        FetchFailed: it leads nowhere, or to an address that is not public (in the same words), or
        the server's answer is no use. FetchTimeout: the deadline has passed. ImageTooLarge: the
        body is longer than ``max_bytes``.
        """
        end = self._clock() + self._timeout_s
        if deadline is not None:
            end = min(end, deadline)

        def left() -> float:
            seconds = end - self._clock()
            if seconds <= 0:
                raise FetchTimeout(_TOO_SLOW)
            return seconds

        target = Target.parse(url)
        self._permit(target)
        for _ in range(1 + _MAX_REDIRECTS):
            answer = self._fetch(target, left)
            if isinstance(answer, bytes):
                return answer
            target = self._redirected(target, answer)
        raise FetchFailed(f"The image's server redirects more than {_MAX_REDIRECTS} times.")

    def _permit(self, target: Target) -> None:
        """Hold ``target`` against the settings. Raises UrlNotAllowed."""
        if self._may_be_private(target):
            return
        if self._allowed_hosts and target.host not in self._allowed_hosts:
            raise UrlNotAllowed("The URL's host is not among those that this service fetches from.")
        if target.port not in STANDARD_PORTS.values():
            raise UrlNotAllowed("The URL's port is not allowed: it should be 80 or 443.")

    def _redirected(self, target: Target, location: str) -> Target:
        """The next target. Raises FetchFailed, in words that tell no more than of the first."""
        try:
            following = target.follow(location)
            self._permit(following)
        except (InvalidRequest, UrlNotAllowed):
            raise FetchFailed(_UNREACHABLE) from None
        if (target.scheme, following.scheme) == ("https", "http"):
            raise FetchFailed("The image's server redirects from https to http.")
        return following

    def _may_be_private(self, target: Target) -> bool:
        ports = {target.port, None} if target.port in STANDARD_PORTS.values() else {target.port}
        return any((target.host, port) in self._private_hosts for port in ports)

    def _fetch(self, target: Target, left: Left) -> bytes | str:
        """The body at ``target``, or the address that it redirects to."""
        from classifier.fetch.exchange import exchange  # noqa: PLC0415  (deferred, see above)

        sock = self._connected(target, left)
        # "from None": the causes can name hosts and addresses, which no log may hold.
        try:
            with self._secured(sock, target, left) if target.scheme == "https" else sock as wire:
                return exchange(wire, target, left, self._max_bytes)
        except TimeoutError:
            raise FetchTimeout(_TOO_SLOW) from None
        except OSError:
            raise FetchFailed(_BROKEN_OFF) from None

    def _addresses(self, target: Target, left: Left) -> list[str]:
        """Where ``target`` leads: every address checked, or FetchFailed."""
        try:
            found = [str(ip_address(target.hostname))]
        except ValueError:
            found = self._look_up(target.hostname, left)
        private = self._may_be_private(target)
        if not found or not all(is_allowed(address, private=private) for address in found):
            raise FetchFailed(_UNREACHABLE)
        return found

    def _look_up(self, name: str, left: Left) -> list[str]:
        """The distinct addresses of ``name``, in the resolver's order; none when it has none."""
        found: list[str] = []

        def resolve() -> None:
            with suppress(OSError):  # the name leads nowhere: an answer, not a fault
                found.extend(dict.fromkeys(self._resolve(name)))

        # getaddrinfo takes no timeout and cannot be interrupted: it is left behind when it is
        # late. A daemon, because the interpreter would wait for any other thread at its end.
        thread = threading.Thread(target=resolve, daemon=True)
        patience = left()
        thread.start()
        thread.join(patience)
        if thread.is_alive():
            raise FetchTimeout(_TOO_SLOW)
        return found

    def _connected(self, target: Target, left: Left) -> socket.socket:
        """A connection to the first address of ``target`` that takes one."""
        addresses = self._addresses(target, left)
        for waiting, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                # An even share of the time, so that a silent address leaves some for the next.
                return self._connect((address, target.port), left() / waiting)
            except OSError as error:
                timed_out = isinstance(error, TimeoutError)
        raise FetchTimeout(_TOO_SLOW) if timed_out else FetchFailed(_UNREACHABLE)

    def _secured(self, sock: socket.socket, target: Target, left: Left) -> socket.socket:
        """``sock`` with TLS on it: the certificate checked for the name, not for the address."""
        from ssl import SSLError  # noqa: PLC0415  (deferred, see above)

        with sock:  # which TLS takes over, so that this closes it only when it could not
            sock.settimeout(left())
            try:
                return self._tls.wrap_socket(sock, server_hostname=target.hostname)
            except SSLError:
                raise FetchFailed(
                    "No secure connection: the image's server has no valid certificate for its"
                    " name, or does not speak TLS 1.2 or later."
                ) from None

    @cached_property
    def _tls(self) -> "ssl.SSLContext":
        import ssl  # noqa: PLC0415  (deferred, see above)

        return ssl.create_default_context()


def _system_resolve(name: str) -> list[str]:
    """The addresses of ``name`` by the system's resolver. Raises OSError: there are none."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]
