"""What an execution environment keeps between requests: settings, the network, ways to images."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self

from classifier.api.predict import ImageRequest, labels_body
from classifier.config import Settings
from classifier.errors import InternalError, RequestError
from classifier.fetch.download import Downloader
from classifier.fetch.sources import Fetcher, Source
from classifier.image.tensor import Limits, Tensor, to_tensor, use_threads
from classifier.model.labels import top
from classifier.model.network import Model
from classifier.runtime import preload as head_start
from classifier.runtime.malloc import give_back_large_blocks
from classifier.runtime.telemetry import logger
from classifier.s3 import client as s3

Labels = list[dict[str, Any]]


@dataclass(frozen=True)
class Fetched:
    """An image's bytes, or why there are none, and how long that took, ms."""

    data: bytes | RequestError
    ms: float


@dataclass(frozen=True)
class Prepared:
    """An image on its way to the network: its tensor, or why there is none. Times in ms."""

    tensor: Tensor | RequestError
    size: int = 0
    fetch_ms: float = 0.0
    decode_ms: float = 0.0


@dataclass(frozen=True)
class Classified:
    """What became of several images.

    answers: in order, the labels of each or its error. size: of all images, bytes.
    timing_ms: how long ``fetch``, ``decode`` and ``inference`` took; of the images' own times
        the longest, for they are fetched together.
    """

    answers: list[Labels | RequestError]
    size: int
    timing_ms: dict[str, float]

    @property
    def refused(self) -> list[str]:
        """The codes of the errors."""
        return [answer.code for answer in self.answers if isinstance(answer, RequestError)]


@dataclass(frozen=True)
class Service:
    """Everything that a request needs, made once."""

    settings: Settings
    limits: Limits
    model: Model
    fetcher: Fetcher

    @classmethod
    def start(cls) -> Self:
        """The service of this process's environment. Raises StartupError: it says what to mend."""
        settings = Settings.from_env(os.environ)
        give_back_large_blocks()
        model = Model.load(head_start.bundle(settings.model_uri))
        use_threads(settings.threads)
        limits = Limits(settings.max_image_bytes, settings.max_image_pixels, settings.memory_bytes)
        return cls(settings, limits, model, _fetcher(settings))

    def renewed(self) -> Self:
        """The same without connections and credentials, which in a copy of us are no use."""
        return replace(self, fetcher=_fetcher(self.settings))

    @property
    def about(self) -> dict[str, dict[str, str]]:
        """The member ``model`` of an answer."""
        manifest = self.model.manifest
        return {"model": {"name": manifest.name, "version": manifest.version}}

    def classify(self, images: tuple[ImageRequest, ...], deadline: float) -> Classified:
        """Fetch and decode ``images``, and run those that can be through the network together.

        deadline: a reading of ``time.monotonic()``, seconds, for the downloads.
        """
        prepared = self._prepare(images, deadline)
        tensors = [each.tensor for each in prepared if not isinstance(each.tensor, RequestError)]
        before = time.monotonic()
        rows = iter(self.model.classify(tensors) if tensors else ())
        timing = {
            "fetch": max(each.fetch_ms for each in prepared),
            "decode": max(each.decode_ms for each in prepared),
            "inference": elapsed_ms(before),
        }
        answers: list[Labels | RequestError] = []
        for image, each in zip(images, prepared, strict=True):
            if isinstance(each.tensor, RequestError):
                answers.append(each.tensor)
            else:
                best = top(next(rows), self.model.labels, image.top_k, image.min_probability)
                answers.append(labels_body(best))
        return Classified(answers, sum(each.size for each in prepared), timing)

    def fetch(self, source: Source, deadline: float) -> bytes:
        """The bytes of one image, within FETCH_TIMEOUT_S from now. Raises RequestError."""
        latest = time.monotonic() + self.settings.fetch_timeout_s
        return self.fetcher.fetch(source, min(deadline, latest))

    def decode(self, data: bytes) -> Tensor:
        """The tensor of one image. Raises RequestError."""
        try:
            return to_tensor(data, self.model.manifest.input, self.limits)
        except RequestError:
            raise
        except Exception as error:
            # Whatever this image did to the decoder, the others with it are not to suffer.
            logger.exception("unexpected")
            raise InternalError("The image made the service fail.") from error

    def _prepare(self, images: tuple[ImageRequest, ...], deadline: float) -> list[Prepared]:
        """Fetch the images side by side, and decode one after the other.

        Decoding is where memory goes: 40 megapixels take some 300 MB, sixteen times would be too
        much.
        """
        if len(images) == 1:
            return [self._decoded(self._fetched(images[0], deadline))]
        with ThreadPoolExecutor(len(images)) as pool:
            fetched = pool.map(lambda image: self._fetched(image, deadline), images)
            return [self._decoded(each) for each in fetched]

    def _fetched(self, image: ImageRequest, deadline: float) -> Fetched:
        before = time.monotonic()
        try:
            return Fetched(self.fetch(image.source, deadline), elapsed_ms(before))
        except RequestError as error:
            return Fetched(error, elapsed_ms(before))

    def _decoded(self, fetched: Fetched) -> Prepared:
        if isinstance(fetched.data, RequestError):
            return Prepared(fetched.data, fetch_ms=fetched.ms)
        before = time.monotonic()
        tensor: Tensor | RequestError
        try:
            tensor = self.decode(fetched.data)
        except RequestError as error:
            tensor = error
        return Prepared(tensor, len(fetched.data), fetched.ms, elapsed_ms(before))


def elapsed_ms(since: float) -> float:
    """Milliseconds from ``since``, a reading of the monotonic clock, until now."""
    return round((time.monotonic() - since) * 1000, 1)


def _fetcher(settings: Settings) -> Fetcher:
    downloader = Downloader(
        allowed_hosts=settings.allowed_url_hosts,
        private_hosts=settings.private_url_hosts,
        max_bytes=settings.max_image_bytes,
        timeout_s=settings.fetch_timeout_s,
    )
    return Fetcher(settings, downloader, s3.client(os.environ))
