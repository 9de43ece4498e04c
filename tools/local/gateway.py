"""API Gateway on this machine: the template's routes before a pool of environments.

Routes, events and binary types are the SAM CLI's own emulation (what `sam local start-api` uses);
Lambda's and API Gateway's limits, and the answers that apigateway.yaml gives API Gateway to make by
itself, are added here.
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
from flask import Flask, Response, g, request
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
MAX_EVENT_BYTES = 6 * 1024 * 1024  # Lambda's, of the event that becomes of it, in base64
# What API Gateway calls its own answers, by the status that they stand for here.
_ANSWERS = {
    404: "MISSING_AUTHENTICATION_TOKEN",
    405: "MISSING_AUTHENTICATION_TOKEN",
    504: "INTEGRATION_TIMEOUT",
}
_SAM_REQUEST_ID = RequestContext().request_id
_REST = {4: "DEFAULT_4XX", 5: "DEFAULT_5XX"}


@dataclass(frozen=True)
class Served:
    """One request and its answer. environment: the number of the one that answered, from 1."""

    method: str
    path: str
    status: int
    duration_ms: float
    environment: int | None


def create_app(stack: Stack, root: Path, pool: Pool, log: Callable[[Served], None]) -> Flask:
    """The WSGI application; ``log`` is told of every request that was answered."""
    logging.getLogger("samcli").setLevel(logging.ERROR)
    api = ApiProvider([stack], cwd=str(root)).api
    service = LocalApigwService(api, _Runner(pool))
    service.create()
    app: Flask = service._app  # noqa: SLF001  (it offers no other way to serve it but Flask's)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    definition = yaml.safe_load((root / "apigateway.yaml").read_bytes())
    answers = definition["x-amazon-apigateway-gateway-responses"]

    @app.before_request
    def _start() -> None:
        g.started = time.monotonic()
        if request.method == "HEAD":  # Flask adds it to GET, API Gateway does not
            raise NotFound

    @app.after_request
    def _log(response: Response) -> Response:
        log(
            Served(
                request.method,
                quote(request.path),  # without the query, and nothing that moves a terminal
                response.status_code,
                (time.monotonic() - g.started) * 1000,
                g.get("environment"),
            )
        )
        return response

    def answer(error: Exception) -> Response:
        status = error.code if isinstance(error, HTTPException) and error.code else 500
        if status == TOO_LONG:  # the one answer that no definition can change
            return Response('{"message": "Request Too Long"}', status, mimetype="application/json")
        name = _ANSWERS.get(status) or _REST[status // 100]
        return _gateway_response(answers[name], status)

    # The SAM CLI's own handlers of these would come before one of HTTPException.
    for status in (404, 405, 500, HTTPException):
        app.register_error_handler(status, answer)
    return app


class _Runner:
    """What the SAM CLI calls a function with."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def is_debugging(self) -> bool:
        return False

    def invoke(self, _function: str, event: str, *, stdout: Any, **_others: Any) -> None:
        # The SAM CLI gives every request the same id.
        data = event.replace(_SAM_REQUEST_ID, str(uuid4())).encode()
        if len(data) > MAX_EVENT_BYTES:
            raise RequestEntityTooLarge
        try:
            answer = self._pool.invoke(data)
        except TimedOut as error:
            raise GatewayTimeout from error
        except EnvironmentFailed as error:
            raise BadGateway from error
        g.environment = answer.environment
        if "errorType" in json.loads(answer.body):  # an exception that nobody caught
            raise BadGateway
        stdout.write_str(answer.body.decode())


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
