"""TLS on a connected socket.

``ssl`` is imported and the certificates are loaded at the first use: 17 and 30 ms that a cold start
spares where the image is in the request and S3 needs no TLS.
"""

import socket
from functools import cache
from typing import TYPE_CHECKING

from classifier.net.deadline import Deadline

if TYPE_CHECKING:
    import ssl


class TlsError(OSError):
    """There is no valid certificate for the name, or no common version of TLS."""


def secure(
    sock: socket.socket, hostname: str, deadline: Deadline, authorities: str = ""
) -> socket.socket:
    """``sock`` with TLS on it. It is closed where that fails.

    Args:
        sock: A connected socket.
        hostname: The certificate must hold for it.
        deadline: Of the handshake.
        authorities: A file of trusted certificates; empty: the system's.

    Raises:
        TlsError, TimeoutError, OSError.
    """
    import ssl  # noqa: PLC0415  (deferred, see above)

    with sock:  # TLS takes the socket over, so this closes it only after a failure
        sock.settimeout(deadline.remaining())
        try:
            return context(authorities).wrap_socket(sock, server_hostname=hostname)
        except ssl.SSLError as error:
            raise TlsError(str(error)) from error


@cache
def context(authorities: str = "") -> "ssl.SSLContext":
    """The settings of TLS with the certificates in the file ``authorities``, or the system's."""
    import ssl  # noqa: PLC0415  (deferred, see above)

    return ssl.create_default_context(cafile=authorities or None)
