"""The machine that measures."""

import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from tools.bench.contenders import LAYERS

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16")
_PACKAGES = (
    "mxnet",
    "numpy",
    "opencv-python-headless",
    "onnxruntime",
    "openvino",
    "boto3",
    "aws-lambda-powertools",
)


def describe(others: Mapping[str, str]) -> dict[str, str]:
    """Its processor, memory and software. others: versions of packages in another Python."""
    layers = "as `make build` made them" if LAYERS else "not built, so the wheels are measured"
    versions = {name: version(name) for name in _PACKAGES} | dict(others)
    processor = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.+)", processor)
    flags = set((re.search(r"flags\s*: (.+)", processor) or [""])[0].split())
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "processor": name[1].strip() if name else platform.machine(),
        "instructions": ", ".join(flag for flag in _FLAGS if flag in flags),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(memory[1]) / 1e6:.0f} GB" if memory else "",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "our layers": layers,
        "packages": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }
