"""What the log and the metrics are told of a request or a batch: one JSON line, one record.

Neither ever holds a query, a body or an image.
"""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from classifier.model.manifest import Manifest

logger = Logger(service="classifier")
# A dimension of the metrics that watch a deployment.
FUNCTION_VERSION = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
_metrics = Metrics(namespace="Classifier", service="classifier")

Record = dict[str, Any]


def request(record: Record, model: Manifest | None, duration_ms: float) -> None:
    """Tell of one request. ``record`` has ``code``, ``cold_start`` and what else is known."""
    values = {"Duration": duration_ms}
    phases = record.get("timing_ms", {})
    values |= {name.capitalize(): ms for name, ms in phases.items() if name != "total"}
    _tell("request", record, model, values, {"ColdStart": int(record["cold_start"])})


def batch(record: Record, model: Manifest | None, duration_ms: float) -> None:
    """Tell of one batch, under names of its own.

    A batch takes seconds, so it must not be taken for a slow request by who watches those.
    """
    counts = {
        "BatchImages": record.get("images", 0),
        "BatchRefused": sum(record.get("refused", {}).values()),
    }
    _tell("batch", record, model, {"BatchDuration": duration_ms}, counts)


def _tell(
    message: str,
    record: Record,
    model: Manifest | None,
    milliseconds: dict[str, float],
    counts: dict[str, int],
) -> None:
    about: Record = {"model": model.name, "version": model.version} if model else {}
    duration_ms = next(iter(milliseconds.values()))
    logger.info(
        message, **record, **about, function_version=FUNCTION_VERSION, duration_ms=duration_ms
    )
    _metrics.add_dimension("model", about.get("model", "none"))
    _metrics.add_dimension("outcome", record["code"])
    for metric, ms in milliseconds.items():
        _metrics.add_metric(metric, MetricUnit.Milliseconds, ms)
    for metric, count in counts.items():
        _metrics.add_metric(metric, MetricUnit.Count, count)
    _metrics.flush_metrics()
