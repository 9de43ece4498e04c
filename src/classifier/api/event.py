"""Events become HTTP requests. No I/O.

Understood are API Gateway REST (payload 1.0), HTTP API (payload 1.0 and 2.0), function URL (payload
2.0) and Application Load Balancer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import pybase64

from classifier.errors import InvalidRequest


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request.

    Attributes:
        method: In upper case.
        path: Without stage, base path and trailing slash.
        query: Every pair, decoded, in order.
        content_type: The header; empty where there is none.
        body: Its bytes.
        request_id: Of the gateway; may be empty.
        is_text: Whether the gateway passed the body on as text.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    content_type: str
    body: bytes
    request_id: str
    is_text: bool = False

    @property
    def media_type(self) -> str:
        """The content type in lower case, without parameters."""
        return self.content_type.partition(";")[0].strip().lower()


def read_event(event: Mapping[str, Any]) -> HttpRequest:
    """The request in an event of any kind.

    Raises:
        InvalidRequest: the kind is unknown, or the body is not valid base64.
    """
    try:
        if event.get("version") == "2.0":
            return _read_v2(event)
        if is_load_balancer(event):
            return _read_load_balancer(event)
        if "httpMethod" in event:
            return _read_v1(event)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequest("The event is not as API Gateway sends it.") from error
    raise InvalidRequest("The event is not one of API Gateway's or a function URL's.")


def is_load_balancer(event: Mapping[str, Any]) -> bool:
    """Whether ``event`` is an Application Load Balancer's."""
    context = event.get("requestContext")
    return isinstance(context, dict) and "elb" in context


def _read_v1(event: Mapping[str, Any]) -> HttpRequest:
    context = event.get("requestContext") or {}
    return HttpRequest(
        method=event["httpMethod"].upper(),
        path=_clean(_v1_path(event, context)),
        query=tuple((str(name), str(value)) for name, value in _multi_pairs(event)),
        content_type=_header(event, "content-type"),
        body=_body(event),
        request_id=str(context.get("requestId") or ""),
        is_text=not event.get("isBase64Encoded"),
    )


def _v1_path(event: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """The path without a custom domain's base path and without an HTTP API's stage."""
    resource = event.get("resource") or ""
    if resource and "{" not in resource:
        return str(resource)
    if proxy := (event.get("pathParameters") or {}).get("proxy"):
        return f"/{proxy}"
    path = str(event["path"])
    # A REST API's path has no stage. Only an HTTP API's events say "version".
    return _without_stage(path, context) if "version" in event else path


def _read_v2(event: Mapping[str, Any]) -> HttpRequest:
    context = event["requestContext"]
    # A route's key is free of stage and base path: "POST /predict".
    route = str(event.get("routeKey") or "").partition(" ")[2]
    path = route if route and "{" not in route else _without_stage(event["rawPath"], context)
    return HttpRequest(
        method=context["http"]["method"].upper(),
        path=_clean(path),
        query=tuple(parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True)),
        content_type=_header(event, "content-type"),
        body=_body(event),
        request_id=str(context.get("requestId") or ""),
        is_text=not event.get("isBase64Encoded"),
    )


def _read_load_balancer(event: Mapping[str, Any]) -> HttpRequest:
    """The load balancer leaves query values encoded, and has no request id but the trace's."""
    return HttpRequest(
        method=event["httpMethod"].upper(),
        path=_clean(event["path"]),
        query=tuple((unquote_plus(n), unquote_plus(v)) for n, v in _multi_pairs(event)),
        content_type=_header(event, "content-type"),
        body=_body(event),
        request_id=_header(event, "x-amzn-trace-id"),
        is_text=not event.get("isBase64Encoded"),
    )


def _multi_pairs(event: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    many = event.get("multiValueQueryStringParameters") or {}
    pairs = [(name, value) for name, values in many.items() for value in values]
    return pairs or list((event.get("queryStringParameters") or {}).items())


def _without_stage(path: str, context: Mapping[str, Any]) -> str:
    stage = context.get("stage") or "$default"
    if stage == "$default" or not f"{path}/".startswith(f"/{stage}/"):
        return path
    return path.removeprefix(f"/{stage}")


def _clean(path: str) -> str:
    return path.rstrip("/") or "/"


def _header(event: Mapping[str, Any], name: str) -> str:
    for header, value in (event.get("headers") or {}).items():
        if header.lower() == name:
            return str(value)
    for header, values in (event.get("multiValueHeaders") or {}).items():
        if header.lower() == name and values:
            return str(values[-1])
    return ""


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body).encode("utf-8", "surrogatepass")
    try:
        # 0.01 ms for an image of 234 KB, where the standard library takes 0.5 ms.
        return pybase64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidRequest("isBase64Encoded is set, but the body is not valid base64.") from error
