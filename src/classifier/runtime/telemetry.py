"""One log line and one metrics record for each request or batch.

Neither ever holds a query, a body or an image. Powertools writes both. It is imported when it is
first needed: at start-up while the network is being bound. Modules log with the standard library;
Powertools' logger is the parent of theirs.
"""

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_lambda_powertools import Metrics

# A dimension of the metrics that watch a deployment.
FUNCTION_VERSION = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")

Record = dict[str, Any]


@cache
def configure() -> "Metrics":
    """Set up the log, and return the metrics."""
    from aws_lambda_powertools import Logger, Metrics  # noqa: PLC0415  (deferred, see above)

    Logger(service="classifier")
    return Metrics(namespace="Classifier", service="classifier")


def log_request(record: Record, model: tuple[str, str] | None, duration_ms: float) -> None:
    """Write the line and the record of one request.

    Args:
        record: ``code``, ``cold_start`` and more.
        model: Name and version, where a model is bound.
        duration_ms: Of the whole request.
    """
    values = {"Duration": duration_ms}
    phases = record.get("timing_ms", {})
    values |= {name.capitalize(): ms for name, ms in phases.items() if name != "total"}
    _write("request", record, model, values, {"ColdStart": int(record["cold_start"])})


def log_batch(record: Record, model: tuple[str, str] | None, duration_ms: float) -> None:
    """Write the line and the record of one batch.

    Their names differ from a request's. A batch takes seconds, and nobody should take it for a slow
    request.
    """
    counts = {
        "BatchImages": record.get("images", 0),
        "BatchRefused": sum(record.get("refused", {}).values()),
    }
    _write("batch", record, model, {"BatchDuration": duration_ms}, counts)


def log_uploads(record: Record, model: tuple[str, str] | None, duration_ms: float) -> None:
    """Write the line and the record of one batch of uploads."""
    counts = {
        "UploadImages": record.get("images", 0),
        "UploadRefused": sum(record.get("refused", {}).values()),
        "UploadFailed": len(record.get("failed", {})),
    }
    _write("uploads", record, model, {"UploadDuration": duration_ms}, counts)


def _write(
    message: str,
    record: Record,
    model: tuple[str, str] | None,
    milliseconds: dict[str, float],
    counts: dict[str, int],
) -> None:
    from aws_lambda_powertools.metrics import MetricUnit  # noqa: PLC0415  (deferred, see above)

    metrics = configure()
    identity = dict(zip(("model", "version"), model, strict=True)) if model else {}
    duration_ms = next(iter(milliseconds.values()))
    logging.getLogger("classifier").info(
        message,
        extra=record
        | identity
        | {"function_version": FUNCTION_VERSION, "duration_ms": duration_ms},
    )
    metrics.add_dimension("model", identity.get("model", "none"))
    metrics.add_dimension("outcome", record["code"])
    for metric, ms in milliseconds.items():
        metrics.add_metric(metric, MetricUnit.Milliseconds, ms)
    for metric, count in counts.items():
        metrics.add_metric(metric, MetricUnit.Count, count)
    metrics.flush_metrics()
