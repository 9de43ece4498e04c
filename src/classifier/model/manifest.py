"""The manifest of a model bundle: its files' checksums and the preprocessing of its input."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifier.errors import BundleError
from classifier.image.preprocessing import Preprocessing

ROLES = ("symbol", "params", "labels")


@dataclass(frozen=True)
class File:
    """One file of a bundle.

    Attributes:
        key: Its name below the bundle's place.
        bytes: Its size; None in a legacy bundle, which has no manifest.
        sha256: Its checksum in hex; None in a legacy bundle.
    """

    key: str
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Output:
    """What a network gives.

    Attributes:
        probabilities: Whether the network applies the activation itself; else it gives logits.
        embedding: The symbol's output that is the input of its last layer; empty: unknown.
        features: The symbol's output that is the last feature map; empty: unknown.
        activation: "softmax": the classes exclude each other; "sigmoid": they are independent, so
            an image may have several (multi-label).
    """

    probabilities: bool
    embedding: str = ""
    features: str = ""
    activation: str = "softmax"


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        description: What the network knows, for people; may be empty.
        licence: Of the weights; may be empty.
        precision: "float32" or "int8".
        source: Where the network comes from, for people.
    """

    name: str
    version: str
    files: Mapping[str, File]
    input: Preprocessing
    output: Output
    precision: str
    source: str
    description: str = ""
    licence: str = ""


def legacy_manifest() -> Manifest:
    """The manifest of a bundle without one: the ResNet-18 of the 2017 model zoo.

    Its first layer is a batch norm on the image itself, so it takes RGB, 0..255, no mean. Its graph
    ends in softmax. No checksum of its files was ever published.
    """
    return Manifest(
        name="resnet-18",
        version="2017",
        files={
            "symbol": File("resnet-18-symbol.json"),
            "params": File("resnet-18-0000.params"),
            "labels": File("synset.txt"),
        },
        input=Preprocessing(),
        output=Output(probabilities=True),
        precision="float32",
        source="MXNet model zoo, 2017",
        description="the 1000 classes of ImageNet",
    )


def parse_manifest(data: bytes, where: str) -> Manifest:
    """The manifest in ``data``. Unknown fields are ignored.

    Raises:
        BundleError: a field is missing or wrong. The message opens with ``where`` and names it.
    """
    try:
        table = json.loads(data)
    except ValueError as error:
        raise BundleError(f"{where}: not JSON") from error
    fields = _Fields(table, where)
    files = fields.table("files")
    output = fields.table("output")
    return Manifest(
        name=fields.text("name"),
        version=fields.text("version"),
        files={role: _file(files.table(role)) for role in ROLES},
        input=_preprocessing(fields.table("input")),
        output=Output(
            probabilities=output.one_of("probabilities", (True, False)),
            embedding=output.optional_text("embedding"),
            features=output.optional_text("features"),
            activation=output.one_of("activation", ("softmax", "sigmoid"), default="softmax"),
        ),
        precision=fields.one_of("precision", ("float32", "int8")),
        source=fields.text("source"),
        description=fields.optional_text("description"),
        licence=fields.optional_text("licence"),
    )


def _file(fields: "_Fields") -> File:
    key, digest = fields.text("key"), fields.text("sha256")
    # Keys stay below the bundle's place: a folder's bundle must not read the rest of the disk.
    if key.startswith("/") or ".." in key.split("/"):
        raise fields.wrong("key", "should be a name below the bundle's place")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise fields.wrong("sha256", "should be 64 hexadecimal digits")
    return File(key, fields.integer("bytes"), digest)


def _preprocessing(fields: "_Fields") -> Preprocessing:
    fit = fields.one_of("fit", ("crop", "squash"))
    size = fields.integer("size")
    resize = fields.integer("resize") if fit == "crop" else size
    if not 0 < size <= resize <= 4096:
        raise fields.wrong("size", "should be above zero and not above resize, that up to 4096")
    std = fields.three_numbers("std")
    if 0.0 in std:
        raise fields.wrong("std", "should not hold a zero")
    return Preprocessing(
        name=fields.text("name"),
        size=size,
        resize=resize,
        fit=fit,
        color=fields.one_of("color", ("RGB", "BGR")),
        scale=fields.number("scale"),
        mean=fields.three_numbers("mean"),
        std=std,
    )


class _Fields:
    """One JSON object of a manifest. Every reader checks the type and names the field."""

    def __init__(self, table: Any, where: str, path: str = "") -> None:
        if not isinstance(table, dict):
            raise BundleError(f"{where}: {path.rstrip('.') or 'it'} should be an object")
        self._table, self._where, self._path = table, where, path

    def wrong(self, name: str, expected: str) -> BundleError:
        value = json.dumps(self._table.get(name))[:80]
        return BundleError(f"{self._where}: {self._path}{name} is {value}: {expected}")

    def table(self, name: str) -> "_Fields":
        return _Fields(self._table.get(name), self._where, f"{self._path}{name}.")

    def text(self, name: str) -> str:
        value = self._table.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(name, "should be text")
        return value

    def optional_text(self, name: str) -> str:
        value = self._table.get(name, "")
        if not isinstance(value, str):
            raise self.wrong(name, "should be text")
        return value

    def integer(self, name: str) -> int:
        value = self._table.get(name)
        if type(value) is not int or value < 0:
            raise self.wrong(name, "should be a whole number")
        return value

    def number(self, name: str) -> float:
        return self._number(name, self._table.get(name))

    def three_numbers(self, name: str) -> tuple[float, ...]:
        value = self._table.get(name)
        if not isinstance(value, list) or len(value) != 3:
            raise self.wrong(name, "should be three numbers")
        return tuple(self._number(name, each) for each in value)

    def one_of[T](self, name: str, choices: tuple[T, ...], default: T | None = None) -> T:
        value = self._table.get(name, default)
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
        raise self.wrong(name, f"should be one of {json.dumps(choices)}")

    def _number(self, name: str, value: Any) -> float:
        if type(value) not in (int, float) or not abs(value) < 1e9:
            raise self.wrong(name, "should be a number")
        return float(value)
