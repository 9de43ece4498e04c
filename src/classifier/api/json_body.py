"""JSON bodies. No I/O."""

import json
from typing import Any

from classifier.errors import InvalidRequest

# gzip's first bytes; API Gateway writes U+FFFD for what is not UTF-8.
_GZIP = (b"\x1f\x8b", "\x1f\ufffd".encode())


def parse_json_object(body: bytes) -> dict[str, Any]:
    """The object in ``body`` (RFC 8259: UTF-8; a byte order mark is ignored).

    Raises:
        InvalidRequest: it is compressed, in another encoding, no JSON or no object.
    """
    if body.startswith(_GZIP):
        raise InvalidRequest("The body is compressed. Send it as it is.")
    try:
        text = body.decode("utf-8-sig", "surrogatepass")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not UTF-8, which JSON should be.") from error
    if "\ufffd" in text or "\0" in text:  # as text from API Gateway; or UTF-16
        raise InvalidRequest("The body is not UTF-8, which JSON should be.")
    try:
        table = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error
    if not isinstance(table, dict):
        raise InvalidRequest("The body should be a JSON object.")
    return table


def shorten(name: str) -> str:
    """``name`` in ASCII and quotes, at most 40 characters of it, for a message."""
    return ascii(name if len(name) <= 40 else name[:40] + "…")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
