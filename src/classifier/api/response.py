"""Responses as API Gateway takes them. No I/O."""

import json
from collections.abc import Mapping
from typing import Any

from classifier.errors import RequestError, describe

_HEADERS = {
    "access-control-allow-origin": "*",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
_PREFLIGHT = {
    "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
    "access-control-allow-headers": (
        "content-type, x-api-key, authorization, x-amz-date, x-amz-security-token, "
        "x-amz-content-sha256"  # the headers of signed requests
    ),
    "access-control-max-age": "86400",
}

Response = dict[str, Any]


def respond(status: int, body: Any, request_id: str) -> Response:
    """A response with ``body`` as JSON."""
    return content(status, "application/json", _json(body), request_id)


def problem(error: RequestError, request_id: str) -> Response:
    """The problem document (RFC 9457) of ``error`` as a response."""
    body = describe(error) | {"request_id": request_id}
    return content(error.status, "application/problem+json", _json(body), request_id)


def preflight(request_id: str) -> Response:
    """The CORS preflight response."""
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
    """A response with ``body``; ``headers`` are added to those of every response."""
    own = {"content-type": content_type, "x-request-id": request_id}
    return {
        "statusCode": status,
        "headers": _HEADERS | own | dict(headers or {}),
        "body": body,
        "isBase64Encoded": False,
    }


def without_body(response: Response) -> Response:
    """The answer to ``HEAD``, for the answer to ``GET``."""
    return response | {"body": ""}


def for_load_balancer(response: Response) -> Response:
    """``response`` with what an Application Load Balancer also needs.

    Where its target group has multi-value headers switched on, it reads those alone.
    """
    headers = {name: [value] for name, value in response["headers"].items()}
    return response | {"multiValueHeaders": headers}


def _json(body: Any) -> str:
    return json.dumps(body) + "\n"  # the line break keeps a terminal's prompt on its own line
