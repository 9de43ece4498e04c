"""The Lambda entry points: event, sources, pipeline, response.

Importing this module starts the service, so requests find the network bound.
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from classifier.api import pages
from classifier.api.event import HttpRequest, is_load_balancer, read_event
from classifier.api.huggingface import parse_task, task_body
from classifier.api.predict import ImageRequest, parse_predict
from classifier.api.response import (
    Response,
    content,
    for_load_balancer,
    preflight,
    problem,
    respond,
    without_body,
)
from classifier.api.routes import check_route
from classifier.config import UploadSettings
from classifier.errors import InternalError, RequestError
from classifier.fetch.sources import kind
from classifier.net.deadline import Deadline, elapsed_ms
from classifier.runtime.environment import Environment
from classifier.runtime.telemetry import Record, log_batch, log_request, log_uploads

if TYPE_CHECKING:  # start-up imports it, while the bundle is being read
    from classifier.publish.publisher import Publisher
    from classifier.service import Service

# Time for decoding and inference when a download takes long.
RESERVE_S = 1.5
# The same for a batch: two chunks of images are still to be decoded and classified.
BATCH_RESERVE_S = 30.0

logger = logging.getLogger("classifier")
environment = Environment(os.environ)
environment.start()


def lambda_handler(event: dict[str, Any], context: Any) -> Response:
    """Answer one request of API Gateway, a function URL or an Application Load Balancer."""
    started = time.monotonic()
    record: Record = {"cold_start": environment.was_cold(), "code": "ok"}
    request_id = context.aws_request_id
    try:
        request = read_event(event)
        request_id = request.request_id or request_id
        record |= {"method": request.method, "path": request.path}
        response = _answer(request, request_id, started, _deadline(context, RESERVE_S), record)
        if request.method == "HEAD":
            response = without_body(response)
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
    return for_load_balancer(response) if is_load_balancer(event) else response


def batch_handler(event: dict[str, Any], context: Any) -> list[dict[str, Any]]:
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
        from classifier import batch  # noqa: PLC0415  (only this handler's cold start pays for it)

        requested = batch.parse_batch(event)
        record["images"] = len(requested.items)
        service = environment.service()
        requested.check(service.model.sizes)
        sources = [item.source() for item in requested.items]
        options = [requested.options] * len(sources)
        outcomes = service.pipeline.run(sources, _deadline(context, BATCH_RESERVE_S), options)
        record["refused"] = dict(Counter(error.code for error in outcomes.errors))
        return batch.results(requested, outcomes, service.model.labels, service.model_info)
    except Exception as error:
        record["code"] = error.code if isinstance(error, RequestError) else InternalError.code
        raise
    finally:
        log_batch(record, environment.model_name_and_version(), elapsed_ms(started))


def upload_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Classify images that arrived in a bucket: a batch of the queue's messages.

    The answer names the messages to deliver again.

    Raises:
        InvalidRequest: the event is not from a queue.
        SettingsError: there is no place for results, or none of the embeddings they should hold.
        ModelUnavailable: there is no model now. All messages are delivered again.
    """
    started = time.monotonic()
    record: Record = {
        "cold_start": environment.was_cold(),
        "code": "ok",
        "request_id": context.aws_request_id,
    }
    try:
        # Only this handler's cold start pays for them.
        from classifier import uploads  # noqa: PLC0415
        from classifier.api.upload_event import parse_messages  # noqa: PLC0415

        publisher = _publisher()
        messages = parse_messages(event)
        record["images"] = len(messages)
        service = environment.service()
        options = uploads.label_options(publisher.settings, service.model.sizes)
        outcomes = service.pipeline.run(
            [message.source() for message in messages],
            _deadline(context, BATCH_RESERVE_S),
            [options] * len(messages),
            isolates=uploads.was_lost(messages),
        )
        answers = uploads.answers(messages, outcomes, service.model.labels, service.model_info)
        record["refused"] = uploads.refusals(answers)
        if failures := publisher.publish(answers):
            record["failed"] = failures  # `scripts/uploads.py dead-letters` looks for it
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failures]}
    except Exception as error:
        record["code"] = error.code if isinstance(error, RequestError) else InternalError.code
        raise
    finally:
        log_uploads(record, environment.model_name_and_version(), elapsed_ms(started))


@cache
def _publisher() -> "Publisher":
    # Deferred: boto3 takes 200 ms to import, and other handlers do without.
    from classifier.publish.publisher import Publisher  # noqa: PLC0415

    return Publisher.create(UploadSettings.from_env(os.environ))


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
        return respond(200, service.health, request_id)
    if request.path == "/huggingface":
        image = parse_task(request, service.model.manifest.output.activation)
        (result,) = _classify(service, (image,), False, deadline, record)
        return respond(200, task_body(result["labels"]), request_id)
    predict = parse_predict(request)
    results = _classify(service, predict.images, predict.many, deadline, record)
    timing = record["timing_ms"] | {"total": elapsed_ms(started)}
    record["timing_ms"] = timing
    body = {"results": results} if predict.many else results[0]
    rest = {"timing_ms": timing, "cold_start": record["cold_start"]}
    return respond(200, service.model_info | body | rest, request_id)


def _classify(
    service: "Service",
    images: Sequence[ImageRequest],
    many: bool,
    deadline: Deadline,
    record: Record,
) -> list[dict[str, Any]]:
    """The labels or the error of each image. The error of a single one is raised."""
    options = [image.options for image in images]
    service.model.sizes.check(options)
    outcomes = service.pipeline.run([image.source for image in images], deadline, options)
    record |= {
        "sources": sorted({kind(image.source) for image in images}),
        "images": len(images),
        "refused": [error.code for error in outcomes.errors],
        "bytes": sum(outcome.bytes for outcome in outcomes.images),
        "timing_ms": outcomes.timing_ms(),
    }
    if outcomes.errors and not many:
        raise outcomes.errors[0]
    return [outcome.describe(service.model.labels) for outcome in outcomes.images]


def _deadline(context: Any, reserve_s: float) -> Deadline:
    """When downloads must have ended, for the answer to be in time."""
    return Deadline.after(context.get_remaining_time_in_millis() / 1000 - reserve_s)
