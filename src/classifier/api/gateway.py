"""API Gateway's side of the contract: an event becomes HttpRequest, an answer becomes a response. No I/O.

Three kinds of event are understood: API Gateway REST (payload 1.0), and HTTP API and function
URL (payload 2.0).
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from classifier.errors import InvalidRequest, RequestError

_HEADERS = {
    "access-control-allow-origin": "*",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": (
        "content-type, x-api-key, authorization, x-amz-date, x-amz-security-token, "
        "x-amz-content-sha256"  # what signed requests have
    ),
    "access-control-max-age": "86400",
}

Response = dict[str, Any]


@dataclass(frozen=True)
class HttpRequest:
    """What the kinds of event have in common. ``query`` holds every pair, decoded, in order."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    content_type: str
    body: bytes
    request_id: str


def read_event(event: Mapping[str, Any]) -> HttpRequest:
    """Take an event of any kind apart.

    Raises InvalidRequest: it is of no kind that is known, or its body is not what it says.
    """
    try:
        if event.get("version") == "2.0":
            return _read_v2(event)
        if "httpMethod" in event:
            return _read_v1(event)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequest("The event is not as API Gateway would send it.") from error
    raise InvalidRequest("The event is not one of API Gateway's or a function URL's.")


def respond(status: int, body: Mapping[str, Any], request_id: str) -> Response:
    """A JSON response."""
    return content(status, "application/json", _text(body), request_id)


def problem(error: RequestError, request_id: str) -> Response:
    """The problem document (RFC 9457) of ``error`` as a response."""
    body = describe(error) | {"request_id": request_id}
    return content(error.status, "application/problem+json", _text(body), request_id)


def describe(error: RequestError) -> dict[str, Any]:
    """The members of ``error``'s problem document that do not depend on the request."""
    return {
        "type": f"urn:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
    }


def preflight(request_id: str) -> Response:
    """The answer to a browser that asks whether it may ask."""
    response = content(204, "text/plain", "", request_id)
    response["headers"] |= _PREFLIGHT
    return response


def content(
    status: int,
    content_type: str,
    body: str,
    request_id: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response with ``body``; ``headers`` are added to those that every answer has."""
    own = {"content-type": content_type, "x-request-id": request_id}
    return {
        "statusCode": status,
        "headers": _HEADERS | own | dict(headers or {}),
        "body": body,
        "isBase64Encoded": False,
    }


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body) + "\n"  # so that a terminal's prompt does not stick to it


def _read_v1(event: Mapping[str, Any]) -> HttpRequest:
    context = event.get("requestContext") or {}
    many = event.get("multiValueQueryStringParameters") or {}
    one = event.get("queryStringParameters") or {}
    pairs = [(name, value) for name, values in many.items() for value in values]
    # `resource` is free of the base path that a custom domain puts before `path`.
    path = event.get("resource") or ""
    return HttpRequest(
        method=event["httpMethod"].upper(),
        path=_clean(path if path and "{" not in path else event["path"]),
        query=tuple((str(n), str(v)) for n, v in (pairs or one.items())),
        content_type=_content_type(event),
        body=_body(event),
        request_id=str(context.get("requestId") or ""),
    )


def _read_v2(event: Mapping[str, Any]) -> HttpRequest:
    context = event["requestContext"]
    path = event["rawPath"]
    stage = context.get("stage") or "$default"
    if stage != "$default":
        path = path.removeprefix(f"/{stage}")
    return HttpRequest(
        method=context["http"]["method"].upper(),
        path=_clean(path),
        query=tuple(parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True)),
        content_type=_content_type(event),
        body=_body(event),
        request_id=str(context.get("requestId") or ""),
    )


def _clean(path: str) -> str:
    return path.rstrip("/") or "/"


def _content_type(event: Mapping[str, Any]) -> str:
    for name, value in (event.get("headers") or {}).items():
        if name.lower() == "content-type":
            return str(value)
    return ""


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidRequest("The event's body is not base64, as it says.") from error
