"""Events become HTTP requests. No I/O.

Three kinds of event are understood: API Gateway REST (payload 1.0), and HTTP API and function URL
(payload 2.0).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from classifier.errors import InvalidRequest


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request. ``query`` holds every pair, decoded, in order."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    content_type: str
    body: bytes
    request_id: str


def read_event(event: Mapping[str, Any]) -> HttpRequest:
    """The request in an event of any kind.

    Raises:
        InvalidRequest: the kind is unknown, or the body is not valid base64.
    """
    try:
        if event.get("version") == "2.0":
            return _read_v2(event)
        if "httpMethod" in event:
            return _read_v1(event)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequest("The event is not as API Gateway sends it.") from error
    raise InvalidRequest("The event is not one of API Gateway's or a function URL's.")


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
        raise InvalidRequest("isBase64Encoded is set, but the body is not valid base64.") from error
