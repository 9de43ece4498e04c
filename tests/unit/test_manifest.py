"""Manifests: what is read, and an error that names the field for everything else."""

import json
from typing import Any

import pytest

from classifier.errors import BundleError
from classifier.image.preprocessing import Preprocessing
from classifier.model.manifest import File, Output, legacy_manifest, parse_manifest

FILE = {"key": "a.bin", "bytes": 7, "sha256": "0" * 64}
MANIFEST: dict[str, Any] = {
    "name": "net",
    "version": "1",
    "files": {"symbol": FILE, "params": FILE | {"key": "b/c.params"}, "labels": FILE},
    "input": {
        "name": "data",
        "size": 224,
        "resize": 256,
        "fit": "crop",
        "color": "BGR",
        "scale": 0.5,
        "mean": [1, 2, 3],
        "std": [4, 5, 6.5],
    },
    "output": {"probabilities": False},
    "precision": "int8",
    "source": "made up",
    "accuracy": {"top1": 0.9},
}


def parse(manifest: Any) -> Any:
    return parse_manifest(json.dumps(manifest).encode(), "here/manifest.json")


def test_every_field_is_read_and_unknown_ones_are_ignored() -> None:
    manifest = parse(MANIFEST)
    assert manifest.name == "net"
    assert manifest.version == "1"
    assert manifest.files["params"] == File("b/c.params", 7, "0" * 64)
    assert manifest.input == Preprocessing(
        name="data",
        size=224,
        resize=256,
        fit="crop",
        color="BGR",
        scale=0.5,
        mean=(1.0, 2.0, 3.0),
        std=(4.0, 5.0, 6.5),
    )
    assert manifest.output == Output(probabilities=False, activation="softmax")
    assert manifest.precision == "int8"
    assert manifest.source == "made up"


def test_independent_classes_are_read() -> None:
    output = {"probabilities": True, "activation": "sigmoid"}
    assert parse(MANIFEST | {"output": output}).output.activation == "sigmoid"


def test_squash_needs_no_resize() -> None:
    manifest = json.loads(json.dumps(MANIFEST))
    manifest["input"] |= {"fit": "squash"}
    del manifest["input"]["resize"]
    assert parse(manifest).input.resize == 224


def test_legacy_manifest_describes_the_2017_model() -> None:
    manifest = legacy_manifest()
    assert manifest.files["symbol"].key == "resnet-18-symbol.json"
    assert manifest.files["params"] == File("resnet-18-0000.params", None, None)
    assert manifest.input == Preprocessing(
        "data", 224, 224, "squash", "RGB", 1.0, (0, 0, 0), (1, 1, 1)
    )
    assert manifest.output.probabilities


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", 7),
        ("name", "  "),
        ("version", None),
        ("files", []),
        ("files.symbol", "a.json"),
        ("files.params", None),
        ("files.labels.key", "/etc/passwd"),
        ("files.labels.key", "../secret"),
        ("files.labels.key", ""),
        ("files.symbol.bytes", -1),
        ("files.symbol.bytes", "7"),
        ("files.symbol.bytes", True),
        ("files.symbol.sha256", "0" * 63),
        ("files.symbol.sha256", "Z" * 64),
        ("input", None),
        ("input.name", ""),
        ("input.size", 0),
        ("input.size", 257),
        ("input.size", 224.0),
        ("input.resize", 5000),
        ("input.fit", "pad"),
        ("input.color", "rgb"),
        ("input.scale", "1"),
        ("input.scale", 1e300),
        ("input.mean", [1, 2]),
        ("input.mean", 1),
        ("input.mean", [1, 2, None]),
        ("input.std", [1, 0, 1]),
        ("output.probabilities", 1),
        ("output.probabilities", "yes"),
        ("output.activation", "relu"),
        ("output.activation", None),
        ("precision", "float16"),
        ("source", []),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Any) -> None:
    manifest = json.loads(json.dumps(MANIFEST))
    table = manifest
    *parents, last = path.split(".")
    for parent in parents:
        table = table[parent]
    table[last] = value
    field = "input.size" if path == "input.resize" else path
    with pytest.raises(BundleError, match=rf"^here/manifest\.json: {field}\b"):
        parse(manifest)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b"null", b"7"])
def test_manifest_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"^here/manifest\.json: "):
        parse_manifest(data, "here/manifest.json")
