"""A handler as one would write it today: what the function is compared with.

boto3 downloads an ONNX file to /tmp while the module is imported, onnxruntime runs it, and Pillow
decodes the image. Names and answer are those of our own function.
"""

import base64
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import numpy as np
import onnxruntime
from PIL import Image

SHORT_SIDE, SIZE = 256, 224
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def download() -> Path:
    """Download the network and its labels below MODEL_URI; returns their folder."""
    uri = urlsplit(os.environ["MODEL_URI"])
    folder = Path(tempfile.mkdtemp(prefix="handler-today-"))
    s3 = boto3.client("s3")
    for name in ("float32.onnx", "synset.txt"):
        s3.download_file(uri.netloc, f"{uri.path.strip('/')}/{name}", str(folder / name))
    return folder


FOLDER = download()
LABELS = (FOLDER / "synset.txt").read_text().splitlines()
OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
SESSION = onnxruntime.InferenceSession(
    str(FOLDER / "float32.onnx"), OPTIONS, providers=["CPUExecutionProvider"]
)


def lambda_handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """The labels of the image in the body, in the form of our own function's response."""
    image = Image.open(io.BytesIO(base64.b64decode(event["body"]))).convert("RGB")
    factor = SHORT_SIDE / min(image.size)
    width, height = (round(side * factor) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    pixels = np.asarray(image.crop((left, top, left + SIZE, top + SIZE)), np.float32)
    tensor = ((pixels / np.float32(255) - MEAN) / STD).transpose(2, 0, 1)[np.newaxis]
    probabilities = SESSION.run(None, {"data": tensor})[0][0]
    labels = [
        {"label": LABELS[index], "probability": float(probabilities[index])}
        for index in np.argsort(probabilities)[::-1][:5]
    ]
    return {"statusCode": 200, "body": json.dumps({"labels": labels})}
