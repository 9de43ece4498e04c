"""API Gateway on this machine: the template's routes before a pool of environments.

The SAM CLI's emulation (`sam local start-api`) makes routes, events and binary types. Added here
are the limits of Lambda and API Gateway, and API Gateway's own responses, from apigateway.yaml.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import yaml
from flask import Flask, Request, Response, g, request
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.provider import Stack
from samcli.local.apigw.local_apigw_service import LocalApigwService
from samcli.local.events.api_event import RequestContext
from werkzeug.exceptions import (
    BadGateway,
    GatewayTimeout,
    HTTPException,
    NotFound,
    RequestEntityTooLarge,
)

from tools.local.environment import EnvironmentFailed, TimedOut
from tools.local.pool import Pool

TOO_LONG = 413
MAX_REQUEST_BYTES = 10 * 1024 * 1024  # API Gateway's, of a request's body
MAX_EVENT_BYTES = 6 * 1024 * 1024  # Lambda's, of the event with the body in base64
# API Gateway's names of its own responses, by their status here.
_RESPONSES = {
    404: "MISSING_AUTHENTICATION_TOKEN",
    405: "MISSING_AUTHENTICATION_TOKEN",
    504: "INTEGRATION_TIMEOUT",
}
_SAM_REQUEST_ID = RequestContext().request_id
_DEFAULT_RESPONSES = {4: "DEFAULT_4XX", 5: "DEFAULT_5XX"}


@dataclass(frozen=True)
class Exchange:
    """One request and its response.

    environment: the number of the one that answered, from 1; None: the gateway itself.
    """

    method: str
    path: str
    status: int
    duration_ms: float
    environment: int | None


def create_app(stack: Stack, root: Path, pool: Pool, log: Callable[[Exchange], None]) -> Flask:
    """The WSGI application; ``log`` is called after every response."""
    logging.getLogger("samcli").setLevel(logging.ERROR)
    api = ApiProvider([stack], cwd=str(root)).api
    service = LocalApigwService(api, _Runner(pool))
    service.create()
    app: Flask = service._app  # noqa: SLF001  (its public way serves with Flask's own server)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    definition = yaml.safe_load((root / "apigateway.yaml").read_bytes())
    responses = definition["x-amazon-apigateway-gateway-responses"]

    @app.before_request
    def _start() -> None:
        g.started = time.monotonic()
        # Flask adds HEAD to every GET, API Gateway does not.
        if request.method == "HEAD" and "head" not in definition["paths"].get(request.path, {}):
            raise NotFound
        if request.mimetype not in api.binary_media_types:
            _make_text(request)

    @app.after_request
    def _log(response: Response) -> Response:
        log(
            Exchange(
                request.method,
                quote(request.path),  # without the query and control characters
                response.status_code,
                (time.monotonic() - g.started) * 1000,
                g.get("environment"),
            )
        )
        return response

    def respond(error: Exception) -> Response:
        status = error.code if isinstance(error, HTTPException) and error.code else 500
        if status == TOO_LONG:  # the one response that no definition can change
            return Response('{"message": "Request Too Long"}', status, mimetype="application/json")
        name = _RESPONSES.get(status) or _DEFAULT_RESPONSES[status // 100]
        return _gateway_response(responses[name], status)

    # The SAM CLI has handlers of these; Flask would prefer them to one of HTTPException.
    for status in (404, 405, 500, HTTPException):
        app.register_error_handler(status, respond)
    return app


class _Runner:
    """The SAM CLI's interface of what runs functions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def is_debugging(self) -> bool:
        return False

    def invoke(self, _function: str, event: str, *, stdout: Any, **_others: Any) -> None:
        # The SAM CLI gives every request the same id.
        data = event.replace(_SAM_REQUEST_ID, str(uuid4())).encode()
        if len(data) > MAX_EVENT_BYTES:
            raise RequestEntityTooLarge
        stdout.write_str(call(self._pool, data).decode())


def call(pool: Pool, event: bytes) -> bytes:
    """The function's response to ``event``. Raises GatewayTimeout, BadGateway."""
    try:
        response = pool.invoke(event)
    except TimedOut as error:
        raise GatewayTimeout from error
    except EnvironmentFailed as error:
        raise BadGateway from error
    g.environment = response.environment
    if "errorType" in json.loads(response.body):  # an uncaught exception
        raise BadGateway
    return response.body


def _make_text(request: Request) -> None:
    """Do to the body what API Gateway does to a type that is not binary: replace bad UTF-8."""
    text = request.get_data().decode("utf-8", "replace")
    request._cached_data = text.encode()  # noqa: SLF001  (what get_data() returns from now on)


def _gateway_response(template: Mapping[str, Any], status: int) -> Response:
    request_id = str(uuid4())
    body = template["responseTemplates"]["application/json"].replace(
        "$context.requestId", request_id
    )
    headers = {
        name.removeprefix("gatewayresponse.header."): value.strip("'")
        for name, value in template["responseParameters"].items()
    }
    status = int(template.get("statusCode", status))
    return Response(body, status, headers | {"x-amzn-requestid": request_id})
