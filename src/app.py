"""The Lambda entry points: an event, the image it names, the network, the answer.

Start-up happens while this module is imported: settings, bundle, network, one run of it. A
start-up that fails is told once in the log and answered with 503; it is tried again when a
request comes, so that an environment heals when S3 does. (Where Lambda keeps what has started,
as SnapStart does, a start-up that fails ends the environment.)
"""

# First, for it reads the bundle while the rest is imported.
from classifier.runtime import preload as head_start  # noqa: F401

# isort: split

import os
import time
from collections import Counter
from typing import Any

from classifier import batch
from classifier.api import gateway, pages
from classifier.api import predict as api
from classifier.errors import (
    FetchTimeout,
    InternalError,
    ModelUnavailable,
    RequestError,
    StartupError,
)
from classifier.model.manifest import Manifest
from classifier.runtime import snapshot
from classifier.runtime import telemetry as report
from classifier.runtime.telemetry import Record, logger
from classifier.service import Service, elapsed_ms

RETRY_AFTER_S = 10.0
# What is kept of the function's own time for decoding and inference when a download drags on.
RESERVE_S = 1.5
# The same for a batch: no download begins later. Those under way may take twice FETCH_TIMEOUT_S,
# and two chunks of images are then still to be decoded and classified.
BATCH_RESERVE_S = 30.0

service: Service | None = None
_retry_at = 0.0
_cold = True


def lambda_handler(event: dict[str, Any], context: Any) -> gateway.Response:
    """Answer one request of API Gateway (REST or HTTP API) or a function URL."""
    started = time.monotonic()
    record: Record = {"cold_start": _was_cold(), "code": "ok"}
    request_id = context.aws_request_id
    try:
        http = gateway.read_event(event)
        request_id = http.request_id or request_id
        record |= {"method": http.method, "path": http.path}
        response = _answer(http, request_id, started, context, record)
    except RequestError as error:
        record["code"] = error.code
        response = gateway.problem(error, request_id)
    except Exception:
        # The caller gets a number to ask about; the trace stays here.
        logger.exception("unexpected", request_id=request_id)
        record["code"] = InternalError.code
        response = gateway.problem(InternalError("Quote the request id to ask why."), request_id)
    record |= {"request_id": request_id, "status": response["statusCode"]}
    report.request(record, _manifest(), elapsed_ms(started))
    return response


def batch_handler(event: dict[str, Any], context: Any) -> list[batch.Result]:
    """Classify one batch of the state machine: a result or an error for each object, in order.

    Raises InvalidRequest: the event is no batch; trying again is of no use. ModelUnavailable:
    there is no model now; the state machine tries again later.
    """
    started = time.monotonic()
    ends = started + context.get_remaining_time_in_millis() / 1000 - BATCH_RESERVE_S
    record: Record = {"cold_start": _was_cold(), "code": "ok", "request_id": context.aws_request_id}
    try:
        wanted = batch.read_batch(event)
        record["images"] = len(wanted.items)
        ready = _serve()
        outcomes = batch.classify(
            wanted,
            lambda item: _fetch_item(ready, item, ends),
            ready.decode,
            ready.model.classify,
        )
        refused = [each.code for each in outcomes if isinstance(each, RequestError)]
        record["refused"] = dict(Counter(refused))
        return batch.results(wanted, outcomes, ready.model.labels, ready.about)
    except Exception as error:
        record["code"] = error.code if isinstance(error, RequestError) else InternalError.code
        raise
    finally:
        report.batch(record, _manifest(), elapsed_ms(started))


def _answer(
    http: gateway.HttpRequest, request_id: str, started: float, context: Any, record: Record
) -> gateway.Response:
    method, path = api.route(http)
    if method == "OPTIONS":
        return gateway.preflight(request_id)
    if path in pages.PATHS:
        page = pages.read(path)
        return gateway.content(200, page.content_type, page.body, request_id, page.headers)
    ready = _serve()
    if path == "/health":
        return gateway.respond(200, {"status": "ok"} | ready.about, request_id)
    request = api.read_predict(http)
    deadline = started + context.get_remaining_time_in_millis() / 1000 - RESERVE_S
    done = ready.classify(request.images, deadline)
    record |= {
        "sources": sorted({image.source.kind for image in request.images}),
        "images": len(done.answers),
        "refused": done.refused,
        "bytes": done.size,
        "timing_ms": done.timing_ms,
    }
    if request.many:
        body: Record = {
            "results": [
                {"error": gateway.describe(answer)}
                if isinstance(answer, RequestError)
                else {"labels": answer}
                for answer in done.answers
            ]
        }
    elif isinstance(done.answers[0], RequestError):
        raise done.answers[0]
    else:
        body = {"labels": done.answers[0]}
    done.timing_ms["total"] = elapsed_ms(started)
    rest = {"timing_ms": done.timing_ms, "cold_start": record["cold_start"]}
    return gateway.respond(200, ready.about | body | rest, request_id)


def _fetch_item(ready: Service, item: batch.Item, ends: float) -> bytes:
    if time.monotonic() >= ends:
        raise FetchTimeout("The batch ran out of time before it came to this image.")
    return ready.fetch(item.source(), ends)


def _manifest() -> Manifest | None:
    """That of the model that is served, if there is one."""
    return service.model.manifest if service else None


def _was_cold() -> bool:
    """Whether this is the environment's first call."""
    global _cold
    was, _cold = _cold, False
    return was


def _serve() -> Service:
    """The service, started if it is not yet: again only when RETRY_AFTER_S have passed."""
    global service, _retry_at  # noqa: PLW0603  (the environment's one model)
    if service is None:
        if time.monotonic() < _retry_at:
            raise ModelUnavailable("The model could not be loaded. Try again later.")
        try:
            service = Service.start()
        except StartupError as error:
            _retry_at = time.monotonic() + RETRY_AFTER_S
            logger.critical(str(error))
            raise ModelUnavailable("The model could not be loaded. Try again later.") from error
    return service


def _begin() -> None:
    """Start up while this module is imported.

    A start-up that fails is tried again when a request comes. Not where Lambda keeps what has
    started: it would keep a function without its network, so there the deploy is to fail.
    """
    snapshot.register(before=_before_snapshot, after=_after_restore)
    try:
        _serve()
    except ModelUnavailable as error:
        if snapshot.is_kept(os.environ):
            raise StartupError(str(error.__cause__)) from error


def _before_snapshot() -> None:
    """Have in the snapshot what a request needs. Raises ModelUnavailable: there is no network."""
    _serve()
    snapshot.import_what_is_put_off()


def _after_restore() -> None:
    global service  # noqa: PLW0603  (as above)
    service = service and service.renewed()


_begin()
