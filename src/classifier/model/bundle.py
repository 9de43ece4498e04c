"""A model bundle: a network, its labels and its preprocessing, with checksums.

A bundle lives in S3 below a prefix, or in a folder::

    <name>-symbol.json    the network's graph, MXNet's JSON
    <name>-0000.params    its parameters, MXNet's NDArray file
    synset.txt            one label a line, in the order of the outputs
    manifest.json         names, sizes and checksums of the others, and the preprocessing

A bundle never changes once it is written, so a reader may keep it. A place without a manifest
still loads if it has the file names of the 2017 model zoo.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from classifier.errors import BundleError
from classifier.location import S3Prefix
from classifier.model.labels import IMAGENET_LABELS, Label, parse_labels
from classifier.model.manifest import ROLES, File, Manifest, legacy_manifest, parse_manifest
from classifier.net.deadline import Deadline
from classifier.s3.client import S3Client
from classifier.s3.errors import ObjectMissing, S3Error

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory, every checksum verified."""

    manifest: Manifest
    symbol: bytes
    params: bytes
    labels: tuple[Label, ...]


class Store(Protocol):
    """A place that holds a bundle. Errors show its ``str()``."""

    def read(
        self,
        name: str,
        size: int | None = None,
        update: Callable[[bytes | memoryview], None] | None = None,
    ) -> bytes:
        """The whole file ``name``; ``size`` is what its manifest says, bytes.

        ``update`` is called with the file's bytes, in order, while the rest arrives.

        Raises:
            FileNotFoundError: there is none, or we may not see it.
            BundleError: the place cannot be read.
        """


class Folder:
    """A folder as a store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def read(
        self,
        name: str,
        size: int | None = None,
        update: Callable[[bytes | memoryview], None] | None = None,
    ) -> bytes:
        del size  # a file is read in one piece
        try:
            data = (self._path / name).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise BundleError(f"{self}/{name}: {error.strerror}") from error
        if update:
            update(data)
        return data


class S3Store:
    """A prefix in S3 as a store.

    Args:
        prefix: The bundle's place.
        client: Reads its files.
        deadline: Of all of them together.
    """

    def __init__(self, prefix: S3Prefix, client: S3Client, deadline: Deadline) -> None:
        self._prefix = prefix
        self._client = client
        self._deadline = deadline

    def __str__(self) -> str:
        return str(self._prefix)

    def read(
        self,
        name: str,
        size: int | None = None,
        update: Callable[[bytes | memoryview], None] | None = None,
    ) -> bytes:
        source = self._prefix.object(name)
        try:
            return self._client.get(source, self._deadline, size=size, update=update)
        except ObjectMissing as error:
            raise FileNotFoundError(f"{source}: {error}") from error
        except S3Error as error:
            raise BundleError(f"{source}: {error}") from error


def read_bundle(store: Store) -> Bundle:
    """Read the bundle in ``store``, its files side by side, and verify every checksum.

    Raises:
        BundleError: a file is missing, truncated or altered, or the manifest or the label file is
            malformed. The message opens with the file's place.
    """
    try:
        manifest = parse_manifest(store.read(MANIFEST), f"{store}/{MANIFEST}")
    except FileNotFoundError as no_manifest:
        return _read_legacy(store, no_manifest)
    with ThreadPoolExecutor(len(ROLES)) as pool:
        symbol, params, labels = pool.map(
            lambda role: _read_verified(store, manifest.files[role]), ROLES
        )
    where = f"{store}/{manifest.files['labels'].key}"
    return Bundle(manifest, symbol, params, parse_labels(labels, where))


def _read_legacy(store: Store, no_manifest: FileNotFoundError) -> Bundle:
    manifest = legacy_manifest()
    try:
        symbol = store.read(manifest.files["symbol"].key)
    except FileNotFoundError:
        raise BundleError(f"{store}/{MANIFEST}: no such file, or not readable") from no_manifest
    params = _read_verified(store, manifest.files["params"])
    try:
        labels = store.read(manifest.files["labels"].key)
    except FileNotFoundError:
        labels = IMAGENET_LABELS.read_bytes()
    where = f"{store}/{manifest.files['labels'].key}"
    return Bundle(manifest, symbol, params, parse_labels(labels, where))


def _read_verified(store: Store, file: File) -> bytes:
    where = f"{store}/{file.key}"
    digest = hashlib.sha256()
    try:
        data = store.read(file.key, file.bytes, digest.update if file.sha256 else None)
    except FileNotFoundError as error:
        raise BundleError(f"{where}: no such file, or not readable") from error
    if file.bytes is not None and len(data) != file.bytes:
        raise BundleError(f"{where}: {len(data)} bytes, its manifest says {file.bytes}")
    if file.sha256 is not None and digest.hexdigest() != file.sha256:
        raise BundleError(f"{where}: its SHA-256 is not the one in its manifest")
    return data
