"""The Lambda entry points: event, sources, pipeline, response.

Importing this module starts the service, so requests find the network bound.
"""

import logging
import os
import time
from collections import Counter
from typing import Any

from classifier import batch
from classifier.api import pages
from classifier.api.event import HttpRequest, read_event
from classifier.api.predict import parse_predict
from classifier.api.response import Response, content, preflight, problem, respond
from classifier.api.routes import check_route
from classifier.errors import InternalError, RequestError
from classifier.fetch.sources import kind
from classifier.net.deadline import Deadline, elapsed_ms
from classifier.runtime.environment import Environment
from classifier.runtime.telemetry import Record, log_batch, log_request

# Time for decoding and inference when a download takes long.
RESERVE_S = 1.5
# The same for a batch: two chunks of images are still to be decoded and classified.
BATCH_RESERVE_S = 30.0

logger = logging.getLogger("classifier")
environment = Environment(os.environ)
environment.start()


def lambda_handler(event: dict[str, Any], context: Any) -> Response:
    """Answer one request of API Gateway (REST or HTTP API) or a function URL."""
    started = time.monotonic()
    record: Record = {"cold_start": environment.was_cold(), "code": "ok"}
    request_id = context.aws_request_id
    try:
        request = read_event(event)
        request_id = request.request_id or request_id
        record |= {"method": request.method, "path": request.path}
        response = _answer(request, request_id, started, _deadline(context, RESERVE_S), record)
    except RequestError as error:
        record["code"] = error.code
        response = problem(error, request_id)
    except Exception:
        # The caller gets a number to quote. The trace stays in the log.
        logger.exception("unexpected", extra={"request_id": request_id})
        record["code"] = InternalError.code
        response = problem(InternalError("Quote the request id to ask why."), request_id)
    record |= {"request_id": request_id, "status": response["statusCode"]}
    log_request(record, environment.model_name_and_version(), elapsed_ms(started))
    return response


def batch_handler(event: dict[str, Any], context: Any) -> list[batch.Result]:
    """Classify one batch of the state machine: a result or an error for each object, in order.

    Raises:
        InvalidRequest: the event is no batch. Do not retry.
        ModelUnavailable: there is no model now. The state machine retries later.
    """
    started = time.monotonic()
    record: Record = {
        "cold_start": environment.was_cold(),
        "code": "ok",
        "request_id": context.aws_request_id,
    }
    try:
        requested = batch.parse_batch(event)
        record["images"] = len(requested.items)
        service = environment.service()
        sources = [item.source() for item in requested.items]
        outcomes = service.pipeline.run(sources, _deadline(context, BATCH_RESERVE_S))
        record["refused"] = dict(Counter(error.code for error in outcomes.errors))
        return batch.results(requested, outcomes, service.model.labels, service.model_info)
    except Exception as error:
        record["code"] = error.code if isinstance(error, RequestError) else InternalError.code
        raise
    finally:
        log_batch(record, environment.model_name_and_version(), elapsed_ms(started))


def _answer(
    request: HttpRequest, request_id: str, started: float, deadline: Deadline, record: Record
) -> Response:
    check_route(request)
    if request.method == "OPTIONS":
        return preflight(request_id)
    if request.path in pages.PATHS:
        page = pages.read(request.path)
        return content(200, page.content_type, page.body, request_id, page.headers)
    service = environment.service()
    if request.path == "/health":
        return respond(200, {"status": "ok"} | service.model_info, request_id)
    predict = parse_predict(request)
    outcomes = service.pipeline.run([image.source for image in predict.images], deadline)
    timing = outcomes.timing_ms()
    record |= {
        "sources": sorted({kind(image.source) for image in predict.images}),
        "images": len(predict.images),
        "refused": [error.code for error in outcomes.errors],
        "bytes": sum(outcome.bytes for outcome in outcomes.images),
        "timing_ms": timing,
    }
    if outcomes.errors and not predict.many:
        raise outcomes.errors[0]
    results = [
        outcome.describe(image.options, service.model.labels)
        for outcome, image in zip(outcomes.images, predict.images, strict=True)
    ]
    timing["total"] = elapsed_ms(started)
    body = {"results": results} if predict.many else results[0]
    rest = {"timing_ms": timing, "cold_start": record["cold_start"]}
    return respond(200, service.model_info | body | rest, request_id)


def _deadline(context: Any, reserve_s: float) -> Deadline:
    """When downloads must have ended, for the answer to be in time."""
    return Deadline.after(context.get_remaining_time_in_millis() / 1000 - reserve_s)
