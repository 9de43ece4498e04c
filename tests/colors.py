"""A tiny network that classifies images as red, green or blue.

Its feature map is the image itself in 4 x 4 cells, its embedding the mean colour. One fully
connected layer and softmax follow, so a test can compute probabilities and maps from the image.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("red", "green", "blue")
SIZE, MAP = 32, 4
WEIGHTS = np.array([[4, -2, -2], [-2, 4, -2], [-2, -2, 4]], np.float32)
INPUT = {
    "name": "data",
    "size": SIZE,
    "resize": 36,
    "fit": "crop",
    "color": "RGB",
    "scale": 1 / 255,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}


def expected(rgb: Sequence[float]) -> dict[str, float]:
    """The probability of each name for an image of one colour, 0..255."""
    logits = WEIGHTS @ ((np.array(rgb, np.float64) / 255 - 0.5) / 0.5)
    powers = np.exp(logits - logits.max())
    return dict(zip(NAMES, (powers / powers.sum()).tolist(), strict=True))


def write_bundle(folder: Path, dtype: str = "float32", **changes: Any) -> Path:
    """Write the bundle into ``folder``, its arrays as ``dtype``.

    changes: replace members of its manifest.
    """
    from classifier.model.lean_mxnet import mx

    data = mx.sym.Variable("data")
    cell = SIZE // MAP
    features = mx.sym.Pooling(
        data, kernel=(cell, cell), stride=(cell, cell), pool_type="avg", name="features"
    )
    mean = mx.sym.Pooling(features, kernel=(1, 1), global_pool=True, pool_type="avg", name="mean")
    mean = mx.sym.Flatten(mean, name="embedding")
    symbol = mx.sym.FullyConnected(mean, num_hidden=3, name="fc")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "colors-symbol.json").write_text(symbol.tojson())
    weights = {
        "arg:fc_weight": mx.nd.array(WEIGHTS, dtype=dtype),
        "arg:fc_bias": mx.nd.zeros(3, dtype=dtype),
    }
    mx.nd.save(str(folder / "colors-0000.params"), weights)
    (folder / "synset.txt").write_text("".join(f"c{i}\t{n}\n" for i, n in enumerate(NAMES)))
    keys = {
        "symbol": "colors-symbol.json",
        "params": "colors-0000.params",
        "labels": "synset.txt",
    }
    manifest = {
        "name": "colors",
        "version": "1",
        "files": {role: describe(folder, key) for role, key in keys.items()},
        "input": INPUT,
        "output": {
            "probabilities": False,
            "embedding": "embedding_output",
            "features": "features_output",
        },
        "precision": "float32",
        "source": "computed by hand",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
    return folder


def describe(folder: Path, key: str) -> dict[str, Any]:
    """The manifest's entry for the file ``key``."""
    content = (folder / key).read_bytes()
    return {"key": key, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
