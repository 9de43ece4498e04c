"""The blog post's strategy as it was in 2017, in today's Python: what the function is held to.

All of MXNet is imported; boto3 downloads the model's files to /tmp; each request reads them,
binds a Module anew, decodes the whole image, and throws the Module away.
"""

# ruff: noqa: PLC0415  (what is imported when is what is measured)

import base64
import json
import os
import sys
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

np.bool = bool  # type: ignore[attr-defined]  # as NumPy had it until 1.24
# Neither was in the blog's package, and Lambda has neither.
sys.modules["scipy"] = None  # type: ignore[assignment]
os.environ.setdefault("MXNET_SUBGRAPH_VERBOSE", "0")


class _Version:
    """As much of distutils, gone since Python 3.12, as the import compares with."""

    def __init__(self, text: str) -> None:
        self._numbers = [int(part) for part in text.split(".") if part.isdigit()]

    def __lt__(self, other: "_Version") -> bool:
        return self._numbers < other._numbers

    def __ge__(self, other: "_Version") -> bool:
        return self._numbers >= other._numbers


def _import_mxnet() -> Any:
    import types
    import warnings

    version = types.ModuleType("distutils.version")
    version.LooseVersion = version.StrictVersion = _Version  # type: ignore[attr-defined]
    sys.modules |= {"distutils": types.ModuleType("distutils"), "distutils.version": version}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mxnet
    return mxnet


mx = _import_mxnet()

import boto3
import cv2

Batch = namedtuple("Batch", ["data"])


def download() -> Path:
    """The bundle of MODEL_URI, in a folder of its own below /tmp."""
    place = urlsplit(os.environ["MODEL_URI"])
    folder = Path(tempfile.mkdtemp(prefix="strategy-2017-"))
    s3 = boto3.client("s3")
    prefix = place.path.strip("/")
    s3.download_file(place.netloc, f"{prefix}/manifest.json", str(folder / "manifest.json"))
    for file in json.loads((folder / "manifest.json").read_text())["files"].values():
        s3.download_file(place.netloc, f"{prefix}/{file['key']}", str(folder / file["key"]))
    return folder


FOLDER = download()
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
FILES = {role: str(FOLDER / file["key"]) for role, file in MANIFEST["files"].items()}
LABELS = Path(FILES["labels"]).read_text().splitlines()


def predict(tensor: Any) -> Any:
    """Probabilities of one tensor, (3, 224, 224)."""
    symbol = mx.sym.load(FILES["symbol"])
    if not MANIFEST["output"]["probabilities"]:
        symbol = mx.sym.softmax(symbol)
    saved = mx.nd.load(FILES["params"])
    arguments = {name[4:]: array for name, array in saved.items() if name.startswith("arg:")}
    states = {name[4:]: array for name, array in saved.items() if name.startswith("aux:")}
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", (1, *tensor.shape))], for_training=False)
    module.set_params(arguments, states)
    module.forward(Batch([mx.nd.array(tensor[None])]))
    return module.get_outputs()[0].asnumpy()[0]


def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """The labels of the JPEG in the body, as our own function answers."""
    data = np.frombuffer(base64.b64decode(event["body"]), np.uint8)
    pixels = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    preprocessing = MANIFEST["input"]
    pixels = cv2.resize(pixels, (preprocessing["size"], preprocessing["size"]))
    tensor = (pixels * np.float32(preprocessing["scale"]) - preprocessing["mean"]) / preprocessing[
        "std"
    ]
    probabilities = predict(tensor.transpose(2, 0, 1))
    labels = [
        {"label": LABELS[index], "probability": float(probabilities[index])}
        for index in np.argsort(probabilities)[::-1][:5]
    ]
    return {"statusCode": 200, "body": json.dumps({"labels": labels})}
