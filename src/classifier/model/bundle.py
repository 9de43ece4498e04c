"""A model bundle: a network, its labels and the preprocessing of its input, with checksums.

A bundle lives in S3 below a prefix, or in a folder::

    <name>-symbol.json    the network's graph, MXNet's JSON
    <name>-0000.params    its parameters, MXNet's NDArray file
    synset.txt            one label a line, in the order of the outputs
    manifest.json         what the others are called, their checksums, the input's preprocessing

A bundle never changes once it is written, so whoever has read it may keep it. A place with no
manifest but with the file names that the 2017 model zoo used still loads.
"""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from classifier.config import S3Prefix
from classifier.errors import BundleError
from classifier.model.labels import IMAGENET_LABELS, Label, parse_labels
from classifier.model.manifest import ROLES, File, Manifest, legacy_manifest, parse_manifest
from classifier.s3 import client as s3

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory, every checksum verified."""

    manifest: Manifest
    symbol: bytes
    params: bytes
    labels: tuple[Label, ...]


class Store(Protocol):
    """A place that holds a bundle; ``str()`` of it is shown in errors."""

    def read(self, name: str) -> bytes:
        """The whole file ``name``.

        Raises FileNotFoundError: there is none, or none that we may see. BundleError: the
        place cannot be read at all.
        """


class Folder:
    """A folder as a store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def read(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise BundleError(f"{self}/{name}: {error.strerror}") from error


class S3Store:
    """A prefix in S3 as a store.

    budget_s: what all its files together may take, seconds.
    """

    def __init__(
        self, place: S3Prefix, client: s3.Client | None = None, budget_s: float = 300.0
    ) -> None:
        self._place = place
        self._client = client or s3.client(os.environ)
        self._deadline = time.monotonic() + budget_s

    def __str__(self) -> str:
        return str(self._place)

    def read(self, name: str) -> bytes:
        where = f"{self}/{name}"
        key = self._place.key(name)
        try:
            return self._client.get(self._place.bucket, key, deadline=self._deadline)
        except s3.Missing as error:
            raise FileNotFoundError(f"{where}: {error}") from error
        except s3.S3Error as error:
            raise BundleError(f"{where}: {error}") from error


def read_bundle(store: Store) -> Bundle:
    """Read the bundle in ``store``, its files side by side, and verify every checksum.

    Raises BundleError: a file is missing, truncated or altered, or the manifest or the label
    file is not well formed; the message opens with the file's place.
    """
    try:
        manifest = parse_manifest(store.read(MANIFEST), f"{store}/{MANIFEST}")
    except FileNotFoundError as missing:
        return _read_legacy(store, missing)
    with ThreadPoolExecutor(len(ROLES)) as pool:
        symbol, params, labels = pool.map(
            lambda role: _read_verified(store, manifest.files[role]), ROLES
        )
    where = f"{store}/{manifest.files['labels'].key}"
    return Bundle(manifest, symbol, params, parse_labels(labels, where))


def _read_legacy(store: Store, missing: FileNotFoundError) -> Bundle:
    manifest = legacy_manifest()
    try:
        symbol = store.read(manifest.files["symbol"].key)
    except FileNotFoundError:
        raise BundleError(f"{store}/{MANIFEST}: no such file, or not readable") from missing
    params = _read_verified(store, manifest.files["params"])
    try:
        labels = store.read(manifest.files["labels"].key)
    except FileNotFoundError:
        labels = IMAGENET_LABELS.read_bytes()
    where = f"{store}/{manifest.files['labels'].key}"
    return Bundle(manifest, symbol, params, parse_labels(labels, where))


def _read_verified(store: Store, file: File) -> bytes:
    where = f"{store}/{file.key}"
    try:
        data = store.read(file.key)
    except FileNotFoundError as error:
        raise BundleError(f"{where}: no such file, or not readable") from error
    if file.bytes is not None and len(data) != file.bytes:
        raise BundleError(f"{where}: {len(data)} bytes, its manifest says {file.bytes}")
    if file.sha256 is not None and hashlib.sha256(data).hexdigest() != file.sha256:
        raise BundleError(f"{where}: its SHA-256 is not the one in its manifest")
    return data
