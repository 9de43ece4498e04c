"""The handlers that answer whole requests, and what each reads from S3 while it starts."""

from collections.abc import Mapping
from pathlib import Path

from tools.bench.worker import BUCKET, LITE, RESNET
from tools.local.s3 import CREDENTIALS

# By contender: its kind, its network, and its bundle.
HANDLERS = {
    "ours float32": ("ours", RESNET, "float32"),
    "ours int8": ("ours", RESNET, "int8"),
    "ours Lite0 float32": ("ours", LITE, "float32"),
    "ours Lite0 int8": ("ours", LITE, "int8"),
    "today": ("today", RESNET, "float32"),
    "2017": ("2017", RESNET, "float32"),
}
OURS = [name for name, (kind, _, _) in HANDLERS.items() if kind == "ours"]


def objects(folder: Path) -> dict[str, bytes]:
    """What the handlers read, by path. folder: has the networks (see networks.py)."""
    files = {
        f"/{BUCKET}/{_prefix(name)}/{file.name}": file
        for name in HANDLERS
        for file in _files(folder, name)
    }
    return {path: file.read_bytes() for path, file in files.items()}


def variables(url: str) -> dict[str, Mapping[str, str]]:
    """The environment variables of each handler. url: of a server that has ``objects``."""
    s3 = CREDENTIALS | {"AWS_ENDPOINT_URL_S3": url, "S3_READ_BUCKETS": BUCKET}
    return {name: s3 | {"MODEL_URI": f"s3://{BUCKET}/{_prefix(name)}"} for name in HANDLERS}


def _prefix(name: str) -> str:
    kind, network, precision = HANDLERS[name]
    return f"{network}/onnx" if kind == "today" else f"{network}/{precision}"


def _files(folder: Path, name: str) -> list[Path]:
    kind, network, precision = HANDLERS[name]
    bundle = folder / network / precision
    if kind == "today":
        return [folder / network / "float32.onnx", bundle / "synset.txt"]
    return list(bundle.iterdir())
