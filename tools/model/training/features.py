"""Images become embeddings: each goes once through the function's decoder and the base network."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Tensor
from classifier.model.bundle import Bundle
from tools.errors import ToolError
from tools.model.base import Base, Embeddings
from tools.model.images import run_ahead, tensor
from tools.model.training.cache import Cache
from tools.model.training.folder import Sample
from tools.model.training.maps import denormalise

# (n, side, side, 3) uint8: what the network sees, small.
type Thumbnails = npt.NDArray[np.uint8]
type Labels = npt.NDArray[np.int64]

THUMBNAIL_SIDE = 16
# Part of the cache's keys: another one makes older entries useless.
_FORMAT = f"2 {cv2.__version__}"


@dataclass(frozen=True)
class Failure:
    """An image that cannot be decoded, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Features:
    """Of ``samples``, in order: embeddings of each kind, thumbnails, and the files' SHA-256."""

    samples: tuple[Sample, ...]
    embeddings: Mapping[str, Embeddings]
    thumbnails: Thumbnails
    digests: tuple[bytes, ...]

    @property
    def labels(self) -> Labels:
        """(n,) the class of each."""
        return np.array([sample.label for sample in self.samples], np.int64)

    def part(self, which: npt.NDArray[np.bool_]) -> "Features":
        """Those samples where ``which`` is true."""
        indices = np.flatnonzero(which)
        return Features(
            tuple(self.samples[index] for index in indices),
            {kind: array[indices] for kind, array in self.embeddings.items()},
            self.thumbnails[indices],
            tuple(self.digests[index] for index in indices),
        )

    def joined(self, other: "Features") -> "Features":
        """These samples, then those of ``other``."""
        return Features(
            self.samples + other.samples,
            {
                kind: np.concatenate([array, other.embeddings[kind]])
                for kind, array in self.embeddings.items()
            },
            np.concatenate([self.thumbnails, other.thumbnails]),
            self.digests + other.digests,
        )


@dataclass(frozen=True)
class _Prepared:
    """An image as a thread hands it over: read from the cache, or decoded, or failed."""

    sample: Sample
    digest: bytes = b""
    key: bytes = b""
    value: bytes | None = None
    tensor: Tensor | None = None
    failure: str = ""


class Extractor:
    """Makes features with the base of ``bundle``. What it makes is kept in ``cache``.

    One image at a time goes through the network, as in the service: an image's embedding is then
    the same to the bit, whatever came before it. Four at a time would save 3 % of the time.

    Raises ToolError: ``bundle`` is no base.
    """

    def __init__(self, bundle: Bundle, cache: Cache, *, has_corners: bool = True) -> None:
        self._base = Base(bundle, has_corners=has_corners)
        self._preprocessing = bundle.manifest.input
        self._cache = cache
        kinds, output = self._base.lengths, bundle.manifest.output
        identity = hashlib.sha256(f"{_FORMAT} {kinds} {output} {self._preprocessing}".encode())
        identity.update(hashlib.sha256(bundle.symbol).digest())
        identity.update(hashlib.sha256(bundle.params).digest())
        self._identity = identity.digest()

    @property
    def base(self) -> Base:
        return self._base

    def features(
        self, samples: Sequence[Sample], advance: Callable[[], None]
    ) -> tuple[Features, list[Failure]]:
        """The features of those samples that can be decoded, and the failures of the others.

        advance: called after each image.
        """
        rows: list[tuple[Sample, bytes, bytes]] = []
        failures: list[Failure] = []
        for sample, digest, value in self._values(samples, failures):
            if value:
                rows.append((sample, digest, value))
            advance()
        embeddings = {}
        at = 0
        for kind, length in self._base.lengths.items():
            arrays = [np.frombuffer(value, np.float32, length, at) for _, _, value in rows]
            embeddings[kind] = np.array(arrays, np.float32).reshape(-1, length)
            at += 4 * length
        thumbnails = [np.frombuffer(value, np.uint8, offset=at) for _, _, value in rows]
        side = THUMBNAIL_SIDE
        features = Features(
            tuple(sample for sample, _, _ in rows),
            embeddings,
            np.array(thumbnails, np.uint8).reshape(-1, side, side, 3),
            tuple(digest for _, digest, _ in rows),
        )
        return features, failures

    def _values(
        self, samples: Sequence[Sample], failures: list[Failure]
    ) -> Iterator[tuple[Sample, bytes, bytes]]:
        """Each sample, its file's SHA-256, and its embedding and thumbnail as bytes."""
        for prepared in run_ahead(self._prepare, samples):
            value = prepared.value or b""
            if prepared.failure:
                failures.append(Failure(prepared.sample.path, prepared.failure))
            elif prepared.tensor is not None:
                embeddings = self._base.embed_all([prepared.tensor])
                thumbnail = _thumbnail(prepared.tensor, self._preprocessing)
                value = b"".join(array.tobytes() for array in embeddings.values())
                value += thumbnail.tobytes()
                self._cache.put(prepared.key, value)
            yield prepared.sample, prepared.digest, value

    def _prepare(self, sample: Sample) -> _Prepared:
        try:
            data = sample.path.read_bytes()
        except OSError as error:
            return _Prepared(sample, failure=error.strerror or str(error))
        digest = hashlib.sha256(data).digest()
        key = hashlib.sha256(self._identity + digest).digest()
        expected = 4 * sum(self._base.lengths.values()) + 3 * THUMBNAIL_SIDE**2
        if (value := self._cache.get(key)) and len(value) == expected:
            return _Prepared(sample, digest, value=value)
        try:
            return _Prepared(sample, digest, key, tensor=tensor(data, self._preprocessing, ""))
        except ToolError as error:
            return _Prepared(sample, failure=str(error).removeprefix(": "))


def _thumbnail(values: Tensor, preprocessing: Preprocessing) -> Thumbnails:
    """(side, side, 3) pixels, 0..255, of the network's input ``values``."""
    pixels = denormalise(values, preprocessing)
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    small = cv2.resize(pixels, side, interpolation=cv2.INTER_AREA)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)
