"""What was measured of the catalogue's networks, measurements.json, with types."""

import json
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Measurement:
    """One network, one image, one thread; medians in milliseconds, interleaved in one run.

    ort: onnxruntime, float32; ort_int8: its static quantisation, a scale a channel. bytes: of the
    bundle's parameters. memory_mb: peak of a process that loads the bundle and classifies.
    agreement: share of ``images`` photographs to which float32 and int8 give the same first label.
    """

    float32_ms: float
    int8_ms: float
    ort_ms: float
    ort_int8_ms: float
    bytes: int
    memory_mb: float
    int8_memory_mb: float
    images: int
    agreement: float


def read_measurements() -> dict[str, Measurement]:
    """The measurements by the network's name; empty where nobody measured."""
    if not FILE.exists():
        return {}
    tables = json.loads(FILE.read_text(encoding="utf-8"))["networks"]
    return {name: Measurement(**table) for name, table in tables.items()}
