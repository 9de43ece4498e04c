"""The machine that measures."""

import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import files, version
from pathlib import Path

from tools.bench.contenders import BUILT, LAYERS

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16")
_PACKAGES = (
    "mxnet",
    "numpy",
    "opencv-python-headless",
    "onnxruntime",
    "openvino",
    "nncf",
    "pillow",
    "boto3",
    "aws-lambda-powertools",
)

# The handler of today's packages, with what they bring along.
_TODAY = ("onnxruntime", "numpy", "pillow", "flatbuffers", "packaging", "protobuf")


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


def package() -> dict[str, int]:
    """Unzipped bytes of the function and its layers, and of the handler of today's packages.

    Without a build there is the latter alone.
    """
    parts = [BUILT / part for part in ("ClassifyFunction", "MxnetLayer", "OpencvLayer")]
    sizes = {part.name: _bytes(part.rglob("*")) for part in parts if part.is_dir()}
    # boto3 is in the runtime. numpy.libs and the like belong to their packages' files.
    today = {path for name in _TODAY for path in files(name) or []}
    return sizes | {"today": _bytes(Path(str(path.locate())) for path in today)}


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())
