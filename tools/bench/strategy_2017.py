"""The blog post's strategy of 2017, in today's Python: what the function is compared with.

It imports all of MXNet. boto3 downloads the model's files to /tmp. Each request reads them, binds
a new Module, decodes the whole image, and discards the Module.
"""

import base64
import json
import os
import sys
import tempfile
import types
import warnings
from collections import namedtuple
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import cv2
import numpy as np

np.bool = bool  # type: ignore[attr-defined]  # NumPy had it until 1.24.
# The blog's package did not have it, and Lambda does not.
sys.modules["scipy"] = None  # type: ignore[assignment]
os.environ.setdefault("MXNET_SUBGRAPH_VERBOSE", "0")


class _Version:
    """The part of distutils, gone since Python 3.12, that the import uses."""

    def __init__(self, text: str) -> None:
        self._numbers = [int(part) for part in text.split(".") if part.isdigit()]

    def __lt__(self, other: "_Version") -> bool:
        return self._numbers < other._numbers

    def __ge__(self, other: "_Version") -> bool:
        return self._numbers >= other._numbers


def _import_mxnet() -> Any:
    version = types.ModuleType("distutils.version")
    version.LooseVersion = version.StrictVersion = _Version  # type: ignore[attr-defined]
    sys.modules |= {"distutils": types.ModuleType("distutils"), "distutils.version": version}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mxnet  # noqa: PLC0415  (after what it needs is in place)
    return mxnet


mx = _import_mxnet()

Batch = namedtuple("Batch", ["data"])


def download() -> Path:
    """Download the bundle of MODEL_URI into a new folder below /tmp; returns the folder."""
    uri = urlsplit(os.environ["MODEL_URI"])
    folder = Path(tempfile.mkdtemp(prefix="strategy-2017-"))
    s3 = boto3.client("s3")
    prefix = uri.path.strip("/")
    s3.download_file(uri.netloc, f"{prefix}/manifest.json", str(folder / "manifest.json"))
    for file in json.loads((folder / "manifest.json").read_text())["files"].values():
        s3.download_file(uri.netloc, f"{prefix}/{file['key']}", str(folder / file["key"]))
    return folder


FOLDER = download()
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())
FILES = {role: str(FOLDER / file["key"]) for role, file in MANIFEST["files"].items()}
LABELS = Path(FILES["labels"]).read_text().splitlines()


def predict(tensor: Any) -> Any:
    """The probabilities, (classes,), of one tensor, (3, 224, 224) float32."""
    symbol = mx.sym.load(FILES["symbol"])
    if not MANIFEST["output"]["probabilities"]:
        symbol = mx.sym.softmax(symbol)
    arrays = mx.nd.load(FILES["params"])
    arguments = {name[4:]: array for name, array in arrays.items() if name.startswith("arg:")}
    states = {name[4:]: array for name, array in arrays.items() if name.startswith("aux:")}
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", (1, *tensor.shape))], for_training=False)
    module.set_params(arguments, states)
    module.forward(Batch([mx.nd.array(tensor[None])]))
    return module.get_outputs()[0].asnumpy()[0]


def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """The labels of the JPEG in the body, in the form of our own function's response."""
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
