"""What was measured of the catalogue's networks, measurements.json, with types."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Measurement:
    """One network, one image, one thread; times are medians, ms of the processor, of one run.

    onnxruntime_ms, onnxruntime_int8_ms: the same network there, and its static quantisation (QDQ, a
    scale a channel). bytes: of the bundle's parameters. memory_mb, int8_memory_mb: peak of a
    process that loads the bundle and classifies. agreement: share of ``images`` photographs to
    which int8 gives the same first label as float32; None where the weights are random.
    """

    float32_ms: float
    int8_ms: float
    onnxruntime_ms: float
    onnxruntime_int8_ms: float
    bytes: int
    memory_mb: float
    int8_memory_mb: float
    images: int
    agreement: float | None


def read_measurements() -> dict[str, Measurement]:
    """The measurements by the network's name; empty where nobody measured."""
    if not _FILE.exists():
        return {}
    tables = json.loads(_FILE.read_text(encoding="utf-8"))
    return {name: Measurement(**table) for name, table in tables.items()}


def write_measurements(measurements: Mapping[str, Measurement]) -> None:
    """Replace all measurements."""
    tables = {name: dataclasses.asdict(each) for name, each in measurements.items()}
    _FILE.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
